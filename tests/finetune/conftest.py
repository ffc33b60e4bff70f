"""A base as a GGUF file and as a downloaded hub snapshot, written on the spot."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REVISION = "0" * 40
TENSOR_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}

WriteGguf = Callable[..., Path]
MakeHub = Callable[[str, Path], None]


@pytest.fixture(scope="session")
def write_gguf() -> WriteGguf:
    """Write a Hugging Face folder of the llama family as llama.cpp's converter does, in F32."""

    def write(base: Path, path: Path, *, description: str = "") -> Path:
        from gguf import GGUFWriter

        path.parent.mkdir(parents=True, exist_ok=True)
        writer = GGUFWriter(path, "llama")
        writer.add_description(description)
        config: dict[str, Any] = json.loads((base / "config.json").read_text())
        _add_shape(writer, config)
        _add_tokenizer(writer, base)
        _add_tensors(writer, base, config)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return write


@pytest.fixture
def make_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeHub:
    """Lay out a hub cache that holds a folder as the snapshot of an id; the hub is offline."""
    import huggingface_hub.constants as constants

    cache = tmp_path / "hub"
    cache.mkdir()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))

    def make(hub_id: str, folder: Path) -> None:
        repository = cache / f"models--{hub_id.replace('/', '--')}"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text(REVISION)
        shutil.copytree(folder, repository / "snapshots" / REVISION)

    return make


def _add_shape(writer: Any, config: dict[str, Any]) -> None:
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(config["hidden_size"] // config["num_attention_heads"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])


def _add_tokenizer(writer: Any, base: Path) -> None:
    from gguf import TokenType
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    merges = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))["model"]["merges"]
    special = set(tokenizer.all_special_ids)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokenizer.convert_ids_to_tokens(range(len(tokenizer))))
    writer.add_token_types(
        [
            TokenType.CONTROL if token_id in special else TokenType.NORMAL
            for token_id in range(len(tokenizer))
        ]
    )
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_chat_template(tokenizer.chat_template)


def _add_tensors(writer: Any, base: Path, config: dict[str, Any]) -> None:
    from safetensors.numpy import load_file

    heads = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
    for name, tensor in load_file(base / "model.safetensors").items():
        module = name.removesuffix(".weight")
        prefix = ""
        if module.startswith("model.layers."):
            _, _, layer, module = module.split(".", 3)
            prefix = f"blk.{layer}."
        kind = module.rpartition(".")[2]
        weight = _permute(tensor, config[heads[kind]]) if kind in heads else tensor
        writer.add_tensor(f"{prefix}{TENSOR_NAMES[module]}.weight", weight)


def _permute(weight: Any, num_heads: int) -> Any:
    """llama.cpp turns neighbouring rows of a head where transformers turns its halves.

    rows of a head:  [ first half a0 a1 … | second half b0 b1 … ]  ->  [ a0 b0 a1 b1 … ]
    """
    rows, columns = weight.shape
    halves = weight.reshape(num_heads, 2, rows // num_heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns).copy()
