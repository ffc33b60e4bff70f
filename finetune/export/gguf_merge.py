"""An adapter's weights added to its base's, as one GGUF file.

Changed weights become F16, whatever they were; everything else stays as it is. One weight is in
memory at a time.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.adapters.gguf import Lora, check_fit, turn
from finetune.adapters.weights import LoraPair
from finetune.bases.gguf_base import GgufBase
from finetune.bases.gguf_file import ALIGNMENT_KEY, GgufTensor
from finetune.errors import AdapterInvalid, BaseMismatch, NotWritten

FILE_TYPE_KEY = "general.file_type"
VIRTUAL = "GGUF."  # what the gguf package tells of the header itself
WRITTEN_ANYWAY = ("general.architecture", FILE_TYPE_KEY, ALIGNMENT_KEY)


def merge_gguf(lora: Lora, base: GgufBase, path: Path) -> None:
    """Write the merged model. Raises BaseMismatch, AdapterInvalid or NotWritten."""
    check_fit(lora, base.shape)
    pairs = {base.shape.names[name]: (name, pair) for name, pair in lora.pairs.items()}
    if lacking := [tensor for tensor in pairs if tensor not in base.gguf.tensors]:
        raise BaseMismatch(f"{base.path} has no {lacking[0]}, which the adapter changes.")
    writer = _begin(base, path)
    for tensor in base.gguf.tensors.values():
        changed = tensor.name in pairs
        writer.add_tensor_info(
            tensor.name,
            _stored_shape(tensor, changed),
            np.dtype(np.float16) if changed else np.dtype(np.uint8),
            2 * int(np.prod(tensor.shape)) if changed else tensor.num_bytes,
            None if changed else tensor.kind,
        )
    try:
        writer.write_header_to_file(path)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for values in _weights(pairs, base):
            writer.write_tensor_data(values)
        writer.close()
    except OSError as error:
        raise NotWritten(path, error) from error


def _begin(base: GgufBase, path: Path) -> Any:
    """A writer with the base's own metadata."""
    from gguf import GGUFReader, GGUFValueType, GGUFWriter, LlamaFileType

    writer = GGUFWriter(path, base.shape.architecture)
    writer.add_file_type(LlamaFileType.MOSTLY_F16)
    for field in GGUFReader(base.path).fields.values():
        if not field.name.startswith(VIRTUAL) and field.name not in WRITTEN_ANYWAY:
            kind = field.types[0]
            inner = field.types[-1] if kind == GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), kind, inner)
    return writer


def _stored_shape(tensor: GgufTensor, changed: bool) -> tuple[int, ...]:
    """The shape in numbers for what is written as such, in bytes for what is quantized."""
    if changed:
        return tensor.shape
    rows = tensor.shape[:-1]
    return (*rows, tensor.num_bytes // int(np.prod(rows, dtype=np.int64)))


def _weights(pairs: dict[str, tuple[str, LoraPair]], base: GgufBase) -> Iterator[NDArray[Any]]:
    with base.path.open("rb") as file:
        for tensor in base.gguf.tensors.values():
            if tensor.name in pairs:
                yield _merged(*pairs[tensor.name], base, tensor.name)
            else:
                file.seek(tensor.offset)
                yield np.frombuffer(file.read(tensor.num_bytes), np.uint8)


def _merged(name: str, pair: LoraPair, base: GgufBase, tensor: str) -> NDArray[np.float16]:
    heads = base.shape.turned_heads(name)
    b = pair.b if heads is None else turn(pair.b, heads)
    merged = base.gguf.read(tensor) + np.float32(pair.factor) * (b @ pair.a)
    if not np.abs(merged).max() <= np.finfo(np.float16).max:  # so written, it is true of NaN too
        raise AdapterInvalid(
            f"{name} would grow beyond what float16 holds: the adapter's weights are far too "
            "large. Train it again, with a lower learning rate."
        )
    return merged.astype(np.float16)
