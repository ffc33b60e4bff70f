"""What the torch engine alone refuses."""

from pathlib import Path

import pytest

from serving.errors import EngineUnsupported
from serving.torch.engine import TorchEngine, TorchEngineConfig


def test_other_architectures_are_refused_by_name(tmp_path: Path):
    from transformers import GPT2Config

    GPT2Config(n_embd=8, n_layer=1, n_head=1).save_pretrained(tmp_path)
    with pytest.raises(EngineUnsupported, match=r"'gpt2'.*--engine vllm"):
        TorchEngine(tmp_path, None, TorchEngineConfig())
