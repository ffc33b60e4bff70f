"""Which bases count as the same model."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from finetune.bases.base import Base
from finetune.bases.fingerprint import Fingerprint


def fingerprint(folder: Path) -> Fingerprint:
    return Base(folder.name, folder).fingerprint


@pytest.fixture
def copy(make_base: Any, tmp_path: Path) -> Path:
    return shutil.copytree(make_base("llama"), tmp_path / "copy")


def differences(left: Path, right: Path) -> list[str]:
    """The differences seen from the left, after checking that the right sees as many."""
    found = fingerprint(left).differences(fingerprint(right))
    assert len(fingerprint(right).differences(fingerprint(left))) == len(found)
    return found


def test_another_seed_is_another_training(make_base: Any):
    (found,) = differences(make_base("llama"), make_base("llama", seed=1))
    assert found == "the weights are others (same architecture, another training)"


def test_another_vocabulary_is_told(make_base: Any, copy: Path):
    path = copy / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace("<|im_end|>", "<|eot|>"))
    config = copy / "tokenizer_config.json"
    config.write_text(config.read_text().replace("<|im_end|>", "<|eot|>"))
    assert differences(make_base("llama"), copy) == ["the vocabulary is another"]


def test_the_same_tokens_under_other_ids_are_another_vocabulary(make_base: Any, copy: Path):
    path = copy / "tokenizer.json"
    tokenizer: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    path.write_text(json.dumps(tokenizer))
    assert differences(make_base("llama"), copy) == ["the vocabulary is another"]


def test_another_shape_is_told_with_both_values(make_base: Any, copy: Path):
    path = copy / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "hidden_size": 128}))
    assert fingerprint(make_base("llama")).differences(fingerprint(copy)) == [
        "hidden_size is 128, not 64"
    ]


def test_another_architecture_is_told(make_base: Any):
    assert "model_type is qwen2, not llama" in differences(make_base("llama"), make_base("qwen2"))


def test_another_chat_template_is_no_difference(make_base: Any, copy: Path):
    (copy / "chat_template.jinja").write_text("{{ messages }}")
    assert differences(make_base("llama"), copy) == []


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shard_size", ["5GB", "100KB"])
def test_a_copy_in_16_bits_or_in_shards_is_the_same(
    make_base: Any, copy: Path, dtype: torch.dtype, shard_size: str
):
    (copy / "model.safetensors").unlink()
    model = AutoModelForCausalLM.from_pretrained(make_base("llama"), dtype=dtype)
    model.save_pretrained(copy, max_shard_size=shard_size)
    assert (copy / "model.safetensors").exists() == (shard_size == "5GB")
    assert differences(make_base("llama"), copy) == []


def test_a_fingerprint_survives_json(make_base: Any):
    original = fingerprint(make_base("llama"))
    assert Fingerprint.model_validate_json(original.model_dump_json()) == original
