"""The same base as a GGUF file for llama.cpp, a tensor at a time."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finetune.adapters.gguf import turn
from finetune.bases.gguf_shape import GgufShape
from finetune.hardware import Precision

KINDS: dict[Precision, str] = {"int8": "Q8_0", "int4": "Q4_0"}  # with as many bits
OUTSIDE = ("token_embd.weight", "output.weight")  # stay in 8 bits, as ours do
PRE = "smollm"  # how llama.cpp divides texts of the default base's tokenizer


def gguf_base(base: Path, precision: Precision) -> Path:
    """Write it beside the base's folder; one that is there is kept."""
    from gguf import GGMLQuantizationType, GGUFWriter
    from gguf.quants import quantize

    path = base.with_name(f"{base.name}-{KINDS[precision]}.gguf")
    if path.is_file():
        return path
    config: dict[str, Any] = json.loads((base / "config.json").read_text(encoding="utf-8"))
    shape = GgufShape.of_config(config)
    writer = GGUFWriter(None, shape.architecture)
    _add_sizes(writer, shape, config)
    _add_tokenizer(writer, base, config["vocab_size"])
    kinds = {name: _kind(name, sizes, precision) for name, sizes in _sizes(base, shape).items()}
    for name, sizes in _sizes(base, shape).items():
        kind = GGMLQuantizationType[kinds[name]]
        writer.add_tensor_info(name, sizes, _float32(), _num_bytes(sizes, kind), kind)
    unfinished = path.with_suffix(".unfinished")
    writer.write_header_to_file(unfinished)
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, tensor in _tensors(base, shape):
        writer.write_tensor_data(quantize(tensor, GGMLQuantizationType[kinds[name]]))
    writer.close()
    return unfinished.rename(path)


def _add_sizes(writer: Any, shape: GgufShape, config: dict[str, Any]) -> None:
    writer.add_block_count(shape.num_layers)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(shape.hidden_size)
    writer.add_feed_forward_length(shape.intermediate_size)
    writer.add_head_count(shape.num_heads)
    writer.add_head_count_kv(shape.num_kv_heads)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_vocab_size(config["vocab_size"])


def _add_tokenizer(writer: Any, base: Path, vocab_size: int) -> None:
    from gguf import TokenType
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    added = {each["content"] for each in whole["added_tokens"]}
    names = {at: token for token, at in tokenizer.get_vocab().items()}
    tokens = [names.get(at, f"<unused {at}>") for at in range(vocab_size)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE)
    writer.add_token_list(tokens)
    writer.add_token_types(
        [TokenType.CONTROL if each in added else TokenType.NORMAL for each in tokens]
    )
    merges = whole["model"]["merges"] or [tokens[:2]]  # llama.cpp wants one
    writer.add_token_merges([each if isinstance(each, str) else " ".join(each) for each in merges])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_add_bos_token(False)
    writer.add_chat_template(tokenizer.chat_template)


def _sizes(base: Path, shape: GgufShape) -> dict[str, tuple[int, ...]]:
    return {
        shape.name_of(name.removesuffix(".weight")): tuple(file.get_slice(name).get_shape())
        for file in _files(base)
        for name in sorted(file.keys())
    }


def _tensors(base: Path, shape: GgufShape) -> Iterator[tuple[str, Any]]:
    for file in _files(base):
        for name in sorted(file.keys()):
            tensor = file.get_tensor(name).float().numpy()
            heads = shape.turned_heads(name)
            own = shape.name_of(name.removesuffix(".weight"))
            yield own, tensor if heads is None else turn(tensor, heads)


def _files(base: Path) -> Iterator[Any]:
    from safetensors import safe_open

    for path in sorted(base.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            yield file


def _kind(name: str, sizes: tuple[int, ...], precision: Precision) -> str:
    if len(sizes) == 1:
        return "F32"
    return KINDS["int8"] if name in OUTSIDE else KINDS[precision]


def _num_bytes(sizes: tuple[int, ...], kind: Any) -> int:
    from math import prod

    from gguf import GGML_QUANT_SIZES

    block, num_bytes = GGML_QUANT_SIZES[kind]
    return prod(sizes) // block * num_bytes


def _float32() -> Any:
    import numpy as np

    return np.dtype(np.float32)
