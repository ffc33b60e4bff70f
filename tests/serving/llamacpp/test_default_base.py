"""The default base as its package carries it, in 4 bits, beside what PEFT computes of it."""

from pathlib import Path
from typing import Any

import pytest

from finetune.base import DEFAULT_BASE, find_base
from finetune.gguf_base import find_gguf_base
from serving.engine import Blend, Request, Sampling
from serving.llamacpp.engine import LlamaCppEngine, LlamaEngineConfig
from tests.serving.engines import alone, collect_all, logprobs, make_ref, needs_llamacpp, token_ids
from tests.serving.peft_reference import logits_of, peft_model

pytestmark = needs_llamacpp

QUESTION = "What is a bicycle?"
TOLERANCE = 0.25  # of log probabilities: llama.cpp rounds activations to 8 bits, layer by layer


async def test_base_adapter_and_blend_are_what_peft_computes(
    default_home: Path, make_adapter: Any, tmp_path: Path, all_cores: None
):
    folder = find_base(DEFAULT_BASE, default_home).folder
    base = find_gguf_base(DEFAULT_BASE, default_home)
    a, b = (
        make_ref(make_adapter(folder, tmp_path / name, seed=seed, std=0.07), name)
        for seed, name in enumerate("ab", 1)
    )
    blends: list[Blend] = [(), alone(a), ((a, 0.6), (b, -0.4))]
    prompt = tuple(
        base.tokenizer.apply_chat_template(
            [{"role": "user", "content": QUESTION}], add_generation_prompt=True, return_dict=False
        )
    )
    sampling = Sampling(max_tokens=12, temperature=0, top_logprobs=0, ignore_eos=True)
    requests = [Request(str(i), prompt, (), blend, sampling) for i, blend in enumerate(blends)]
    engine = LlamaCppEngine(base, LlamaEngineConfig())
    await engine.start()
    answers = await collect_all(engine, requests)
    await engine.stop()
    assert "bicycle" in base.tokenizer.decode(token_ids(answers[0]))
    assert len({tuple(token_ids(answer)) for answer in answers}) == len(blends)
    for request, answer in zip(requests, answers, strict=True):
        ids = token_ids(answer)
        model = peft_model(folder, request.blend).float()
        expected = logits_of(model, (*prompt, *ids)).log_softmax(-1)[len(prompt) - 1 : -1]
        for told, own in zip(logprobs(answer), expected, strict=True):
            assert told.logprob == pytest.approx(float(own[told.token_id]), abs=TOLERANCE)
