"""A GGUF base whose channels are in another order: the same function, with other groups of columns.

A base that was quantized once looks better in four bits than it is: many of its numbers lie on the
grid of old groups. Here each channel of the residual stream, each of an MLP's and each value's in
its head gets another neighbour, so that no old group is left.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finetune.bases.gguf_file import GgufFile, read_gguf


def write_permuted(source: Path, target: Path, seed: int) -> Path:
    """Write it in float16; its architecture has to be `llama`."""
    import numpy as np
    from gguf import GGUFReader, GGUFValueType, GGUFWriter

    writer = GGUFWriter(target, "llama")
    for field in GGUFReader(source).fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            kind, of = field.types[0], field.types[-1]
            is_list = kind == GGUFValueType.ARRAY
            writer.add_key_value(field.name, field.contents(), kind, of if is_list else None)
    for name, tensor in permuted(read_gguf(source), seed):
        writer.add_tensor(name, tensor.astype(np.float32 if tensor.ndim == 1 else np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def permuted(gguf: GgufFile, seed: int) -> Iterator[tuple[str, Any]]:
    import numpy as np

    random = np.random.default_rng(seed)
    heads, kv_heads = (
        gguf.count(f"llama.attention.{name}") for name in ("head_count", "head_count_kv")
    )
    hidden = gguf.count("llama.embedding_length")
    head_dim, inner = hidden // heads, gguf.count("llama.feed_forward_length")
    residual = random.permutation(hidden)
    mlps = [random.permutation(inner) for _ in range(gguf.count("llama.block_count"))]
    within = [[random.permutation(head_dim) for _ in range(kv_heads)] for _ in mlps]
    for name in gguf.tensors:
        tensor, part = gguf.read(name), name.rsplit(".", 2)[-2]
        number = int(name.split(".")[1]) if name.startswith("blk.") else 0
        own, inputs = within[number], residual
        if part == "attn_v":
            tensor = tensor[_values(own, 1)]
        elif part in ("ffn_gate", "ffn_up"):
            tensor = tensor[mlps[number]]
        elif part in ("attn_output", "ffn_down"):
            tensor = tensor[residual]
            inputs = mlps[number] if part == "ffn_down" else _values(own, heads // kv_heads)
        yield name, np.ascontiguousarray(tensor[..., inputs])


def _values(within: list[Any], sharing: int) -> Any:
    """The channels of heads, of which `sharing` have a key's and value's head together."""
    import numpy as np

    each = [own for own in within for _ in range(sharing)]
    return np.concatenate([number * len(own) + own for number, own in enumerate(each)])
