"""Exports for llama.cpp, loaded back into it and compared with what PEFT computes."""

from pathlib import Path
from typing import Any

import pytest

from finetune.adapters.gguf import check_gguf_lora
from finetune.adapters.version import AdapterVersion
from finetune.adapters.versions import find_version
from finetune.bases.base import Base
from finetune.bases.gguf_base import GgufBase, find_gguf_base
from finetune.bases.gguf_file import read_gguf
from finetune.errors import BaseMismatch, ExportRefused
from finetune.export.gguf import ADAPTER_FILE, MODEL_FILE, GgufExport
from finetune.export.importing import import_adapter
from serving.engine import AdapterRef, Blend, Request, Sampling
from serving.llamacpp.engine import LlamaCppEngine, LlamaEngineConfig
from tests.gguf_files import write_gguf
from tests.serving.engines import (
    PROMPTS,
    alone,
    collect,
    encode,
    logprobs,
    make_ref,
    needs_llamacpp,
)
from tests.serving.peft_reference import logits_of, peft_model

pytestmark = needs_llamacpp

TOLD = Sampling(max_tokens=8, temperature=0, ignore_eos=True, top_logprobs=3)


@pytest.fixture(params=["llama", "qwen2"])
def export(
    request: pytest.FixtureRequest, make_base: Any, make_adapter: Any, tmp_path: Path
) -> GgufExport:
    base = make_base(request.param)
    path = write_gguf(base, tmp_path / "base.gguf")
    make_adapter(base, tmp_path / "adapters" / "style" / "1", std=0.05, use_rslora=True)
    version = AdapterVersion("style", "1", tmp_path / "adapters" / "style" / "1")
    return GgufExport.prepare(version, str(path), tmp_path)


async def answer(base: GgufBase, prompt: tuple[int, ...], blend: Blend = ()) -> list[Any]:
    engine = LlamaCppEngine(base, LlamaEngineConfig(num_threads=1))
    await engine.start()
    try:
        return logprobs(await collect(engine, Request("1", prompt, (), blend, TOLD)))
    finally:
        await engine.stop()


def check(told: list[Any], folder: Path, base: Path, prompt: tuple[int, ...]) -> None:
    """What was told is what PEFT computes for the same tokens."""
    ids = [one.token_id for one in told]
    model = peft_model(base, alone(make_ref(folder, "style")))
    expected = logits_of(model, (*prompt, *ids)).log_softmax(-1)[len(prompt) - 1 : -1]
    for one, own in zip(told, expected, strict=True):
        for token_id, value in one.top:
            assert value == pytest.approx(float(own[token_id]), abs=0.02)


async def test_a_merged_model_says_alone_what_base_and_adapter_say(
    export: GgufExport, make_base: Any, tmp_path: Path
):
    export.merged(tmp_path / "out")
    base = make_base(export.shape.architecture)
    prompt = encode(base, PROMPTS[0])
    merged = find_gguf_base(str(tmp_path / "out" / MODEL_FILE), tmp_path / "home")
    check(await answer(merged, prompt), export.version.folder, base, prompt)
    kinds = {tensor.kind.name for tensor in merged.gguf.tensors.values()}
    assert kinds == {"F16", "F32"}
    own = find_gguf_base(str(tmp_path / "base.gguf"), tmp_path / "home")
    left_out = ("general.file_type",)
    assert {k: v for k, v in merged.gguf.metadata.items() if k not in left_out} == dict(
        own.gguf.metadata
    )


async def test_an_exported_adapter_comes_back_by_an_import(
    export: GgufExport, make_base: Any, tmp_path: Path
):
    export.adapter(tmp_path / "out")
    path = tmp_path / "out" / ADAPTER_FILE
    assert isinstance(export.base, GgufBase)
    check_gguf_lora(read_gguf(path), export.shape)
    version = import_adapter(path, "again", export.base, tmp_path / "adapters")
    base = make_base(export.shape.architecture)
    prompt = encode(base, PROMPTS[1])
    ref = AdapterRef("again", "1", "sha", version.folder)
    check(await answer(export.base, prompt, alone(ref)), export.version.folder, base, prompt)


def test_what_cannot_be_exported_leaves_nothing(make_base: Any, make_adapter: Any, tmp_path: Path):
    base = make_base("llama")
    make_adapter(base, tmp_path / "adapters" / "style" / "1")
    version = find_version(tmp_path / "adapters", "style")
    on_folder = GgufExport.prepare(version, str(base), tmp_path)
    assert isinstance(on_folder.base, Base)
    with pytest.raises(ExportRefused, match="convert_hf_to_gguf"):
        on_folder.merged(tmp_path / "out")
    other = write_gguf(make_base("qwen3"), tmp_path / "other.gguf")
    foreign = GgufExport.prepare(version, str(other), tmp_path)
    with pytest.raises(BaseMismatch):
        foreign.merged(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    on_folder.adapter(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "adapter.gguf",
    ]
