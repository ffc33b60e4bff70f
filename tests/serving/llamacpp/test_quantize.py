"""Bases in other quantizations, made by llama.cpp's quantizer."""

from pathlib import Path
from typing import Any

import pytest

from finetune.bases.gguf_base import find_gguf_base
from serving.engine import Request
from serving.errors import QuantizationFailed
from serving.llamacpp.engine import LlamaCppEngine, LlamaEngineConfig
from serving.llamacpp.quantize import Quantization, quantize
from tests.gguf_files import write_gguf
from tests.serving.engines import GREEDY, PROMPTS, collect, encode, needs_llamacpp, token_ids

pytestmark = needs_llamacpp


@pytest.mark.parametrize(("to", "kind"), [("q8_0", "Q8_0"), ("q4_0", "Q4_0")])
async def test_a_quantized_base_is_the_same_base_and_answers(
    to: Quantization, kind: str, make_base: Any, tmp_path: Path
):
    folder = make_base("llama")
    base = find_gguf_base(str(write_gguf(folder, tmp_path / "tiny.gguf")), tmp_path)
    quantize(base, to, tmp_path / "bases" / f"tiny-{to}.gguf")
    made = find_gguf_base(f"tiny-{to}", tmp_path)
    assert made.gguf.tensors["blk.0.attn_q.weight"].kind.name == kind
    assert base.fingerprint.differences(made.fingerprint) == []
    engine = LlamaCppEngine(made, LlamaEngineConfig(num_threads=1))
    await engine.start()
    request = Request("1", encode(folder, PROMPTS[0]), (), (), GREEDY)
    assert len(token_ids(await collect(engine, request))) == 24
    await engine.stop()


def test_nothing_is_overwritten_or_left_half_written(make_base: Any, tmp_path: Path):
    path = write_gguf(make_base("llama"), tmp_path / "tiny.gguf")
    base = find_gguf_base(str(path), tmp_path)
    with pytest.raises(QuantizationFailed, match="there already"):
        quantize(base, "q8_0", path)
    _ = base.gguf
    path.write_bytes(path.read_bytes()[:3000])  # after we have looked
    with pytest.raises(QuantizationFailed, match="cannot quantize"):
        quantize(base, "q8_0", tmp_path / "out.gguf")
    assert [each.name for each in tmp_path.iterdir() if "out" in each.name] == []
