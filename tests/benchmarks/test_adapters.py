"""The benchmark's adapters: PEFT loads them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from peft import PeftModel
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM

from benchmarks.adapters import ALPHA, make_adapters
from finetune.adapters.files import WEIGHTS_FILE
from finetune.adapters.lora import read_lora


@pytest.fixture
def base(make_base: Any) -> Path:
    return make_base("llama")


def test_adapters_stand_where_a_home_keeps_them_and_are_plain_lora(tmp_path: Path, base: Path):
    folders = make_adapters(tmp_path, base, count=3, rank=4)
    assert folders == {name: tmp_path / "adapters" / name / "1" for name in ("a1", "a2", "a3")}
    for folder in folders.values():
        settings = read_lora(folder)
        assert (settings.r, settings.lora_alpha, settings.use_rslora) == (4, ALPHA, False)


def test_peft_loads_every_tensor_onto_all_seven_projections(tmp_path: Path, base: Path):
    folder = make_adapters(tmp_path, base, count=1, rank=4)["a1"]
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(folder))
    loaded = {
        name.replace(".default", ""): parameter.detach().numpy()
        for name, parameter in model.named_parameters()
        if "lora_" in name
    }
    written = load_file(folder / WEIGHTS_FILE)
    assert len(written) == 2 * 7 * 2  # layers, projections, sides
    assert loaded.keys() == written.keys()
    assert all(np.array_equal(loaded[name], written[name]) for name in written)


def test_the_same_call_gives_the_same_weights_and_each_adapter_others(tmp_path: Path, base: Path):
    first = make_adapters(tmp_path / "first", base, count=2, rank=4)
    again = make_adapters(tmp_path / "again", base, count=1, rank=4)
    contents = [(folder / WEIGHTS_FILE).read_bytes() for folder in (*first.values(), again["a1"])]
    assert contents[0] == contents[2]
    assert contents[0] != contents[1]
