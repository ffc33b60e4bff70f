"""Tiny bases as GGUF files, written as llama.cpp's converter writes them, in F32."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from finetune.bases.gguf_shape import GgufShape

ONE_MORE = ("gemma", "gemma2", "gemma3")  # their norms are kept with 1 added


def write_gguf(base: Path, path: Path, *, description: str = "") -> Path:
    from gguf import GGUFWriter

    path.parent.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = json.loads((base / "config.json").read_text())
    shape = GgufShape.of_config(config)
    writer = GGUFWriter(path, shape.architecture)
    writer.add_description(description)
    _add_sizes(writer, config, shape.architecture)
    _add_tokenizer(writer, base, config["vocab_size"])
    _add_tensors(writer, base, shape)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@cache
def gguf_of(base: Path) -> Path:
    """A base's GGUF file, beside it."""
    path = base.parent / f"{base.name}.gguf"
    return path if path.is_file() else write_gguf(base, path)


def _add_sizes(writer: Any, config: dict[str, Any], architecture: str) -> None:
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    rope = config["rope_parameters"]
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(rope.get("full_attention", rope)["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    if architecture in ("gemma2", "gemma3"):
        writer.add_sliding_window(config["sliding_window"])
    if architecture == "gemma2":
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])


def _add_tokenizer(writer: Any, base: Path, num_tokens: int) -> None:
    from gguf import TokenType
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    merges = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))["model"]["merges"]
    special = set(tokenizer.all_special_ids)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokenizer.convert_ids_to_tokens(range(num_tokens)))
    writer.add_token_types(
        [
            TokenType.CONTROL if token_id in special else TokenType.NORMAL
            for token_id in range(num_tokens)
        ]
    )
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_chat_template(tokenizer.chat_template)


def _add_tensors(writer: Any, base: Path, shape: GgufShape) -> None:
    from safetensors.numpy import load_file

    for name, tensor in load_file(base / "model.safetensors").items():
        module, _, suffix = name.rpartition(".")
        heads = shape.turned_heads(f"{module}.weight")
        weight = tensor if heads is None else permute(tensor, heads)
        if shape.architecture in ONE_MORE and module.endswith("norm"):
            weight = weight + 1
        writer.add_tensor(f"{shape.name_of(module).removesuffix('weight')}{suffix}", weight)


def permute(weight: Any, num_heads: int) -> Any:
    """llama.cpp turns neighbouring rows of a head where transformers turns its halves.

    rows of a head:  [ first half a0 a1 … | second half b0 b1 … ]  ->  [ a0 b0 a1 b1 … ]
    """
    rows, columns = weight.shape
    halves = weight.reshape(num_heads, 2, rows // num_heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns).copy()
