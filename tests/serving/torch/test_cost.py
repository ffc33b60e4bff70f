"""What serving takes, reckoned from a shape, beside what an engine's tensors take."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from finetune.bases.catalogue import read_catalogue
from finetune.bases.shape import Shape
from finetune.hardware import GIB, PROGRAM_BYTES, Memory, Precision
from serving.torch import engine
from serving.torch.architecture import read_architecture
from serving.torch.cost import STORED, read_bytes, serving_bytes, shortage
from serving.torch.forms.build import Form, Parts, TorchEngineConfig, build_parts
from serving.torch.native.library import Library
from tests.serving.engines import running

CONTEXT = 256


def bytes_of(parts: Parts) -> int:
    linears = [linear for layer in parts.decoder.layers for linear in layer.linears]
    tensors = [tensor for linear in (*linears, parts.decoder.head) for tensor in linear.tensors]
    tensors += [tensor for layer in parts.cache.layers for tensor in layer]
    stacks = [
        own
        for layer in parts.bank.stacks(parts.bank.num_granules)
        for group in layer
        for own in group
    ]
    return sum(tensor.nbytes for tensor in (*tensors, *stacks) if isinstance(tensor, torch.Tensor))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_an_engines_tensors_take_what_was_reckoned(
    precision: Precision, family: str, make_base: Any
):
    folder: Path = make_base(family)
    config = TorchEngineConfig(precision=precision, max_rows=4, context_length=CONTEXT)
    parts = build_parts(folder, read_architecture(folder), Form(precision), config)
    shape = Shape.of_config(json.loads((folder / "config.json").read_text()))
    assert shape is not None
    reckoned = serving_bytes(shape, 512, precision, config) - PROGRAM_BYTES["cpu"]
    assert bytes_of(parts) == reckoned - STORED * shape.table_size


def test_a_token_reads_every_weight_once():
    base = next(base for base in read_catalogue().bases if base.short_name == "smollm2-135m")
    assert read_bytes(base.shape, "int8") == pytest.approx(134.5e6, rel=0.001)
    assert read_bytes(base.shape, "nf4") < read_bytes(base.shape, "int8")


def test_it_is_said_where_memory_may_run_out(library: Library):
    base = next(base for base in read_catalogue().bases if base.name == "Qwen2.5-7B-Instruct")
    config = TorchEngineConfig(context_length=4096)
    needed = serving_bytes(base.shape, 32768, "int8", config) - PROGRAM_BYTES["cpu"]
    form = Form("int8", library)
    assert shortage(base.shape, 32768, form, config, needed) is None
    told = shortage(base.shape, 32768, form, config, needed - 1) or ""
    assert f"in int8 may take {needed / GIB:.1f} GiB" in told
    assert "--context" in told
    assert "--precision int4 takes" in told
    for other in (Form("int8"), Form("int4", library)):  # in which int4 cannot help
        assert "int4 takes" not in (shortage(base.shape, 32768, other, config, 0) or "int4 takes")


@pytest.mark.parametrize(("free_bytes", "is_told"), [(GIB, False), (1, True)])
async def test_a_start_says_where_memory_may_run_out(
    free_bytes: int,
    is_told: bool,
    make_base: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    memory = Memory("cpu", GIB, free_bytes, 0)
    monkeypatch.setattr(engine, "look_at_memory", lambda: memory)
    async with running(make_base("llama")):
        pass
    assert ("memory runs out" in caplog.text) == is_told
