"""The linear layers of bases: by their configuration, and by what their files hold."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM

from finetune.bases.base import Base
from finetune.bases.linear_layers import linear_layers, read_linear_layers
from finetune.errors import BaseUnusable


def layers_of(folder: Path) -> dict[str, tuple[int, int]]:
    """What transformers builds of it, below the decoder's layers."""
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    return {
        name: (module.out_features, module.in_features)
        for name, module in model.named_modules()
        if hasattr(module, "out_features") and ".layers." in name
    }


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3_text", "phi3"])
def test_they_are_those_that_transformers_builds(family: str, make_base: Any):
    folder = make_base(family)
    assert read_linear_layers(folder) == layers_of(folder)
    assert linear_layers(Base("it", folder)) == layers_of(folder)


def test_a_checkpoint_in_several_files_is_read_whole(make_base: Any, tmp_path: Path):
    folder = make_base("phi3")
    AutoModelForCausalLM.from_pretrained(folder).save_pretrained(tmp_path, max_shard_size="100KB")
    assert len([*tmp_path.glob("*.safetensors")]) > 1
    assert read_linear_layers(tmp_path) == layers_of(folder)


def test_what_holds_no_such_layers_is_refused(tmp_path: Path):
    from safetensors.numpy import save_file

    with pytest.raises(BaseUnusable, match="no whole model"):
        read_linear_layers(tmp_path)
    save_file({}, tmp_path / "model.safetensors")
    with pytest.raises(BaseUnusable, match="no layers of a kind"):
        read_linear_layers(tmp_path)
