"""What an answer tells besides its text: log probabilities; and JSON, where it was asked for."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from serving.engine import Request, Sampling
from tests.serving.engines import (
    PROMPTS,
    alone,
    collect,
    collect_all,
    encode,
    logprobs,
    make_ref,
    running,
    token_ids,
)

SCHEMA = {
    "type": "object",
    "properties": {
        "sleeps": {"type": "boolean"},
        "kind": {"enum": ["heart", "spleen"]},
        "grades": {"type": "array", "items": {"enum": [1, 2]}, "maxItems": 3},
    },
    "required": ["sleeps", "kind", "grades"],
    "additionalProperties": False,
}


async def test_an_answer_with_a_schema_is_json_that_satisfies_it(
    make_base: Any, make_adapter: Any, tmp_path: Path
):
    """A random model says anything but JSON; its neighbours in the batch go on saying it."""
    base = make_base("llama")
    ref = make_ref(make_adapter(base, tmp_path / "a"), "a")
    end_ids = encode(base, "<|im_end|>")
    free = Sampling(max_tokens=30, temperature=1.0, seed=1, ignore_eos=True)

    def bound(seed: int) -> Sampling:
        return Sampling(max_tokens=300, temperature=1.0, seed=seed, json_schema=json.dumps(SCHEMA))

    prompt = encode(base, PROMPTS[0])
    requests = [Request(f"{i}", prompt, end_ids, alone(ref), bound(i)) for i in range(6)]
    chatter = Request("free", prompt, end_ids, (), free)
    async with running(base) as engine:
        expected = await collect(engine, chatter)
        *answers, beside = await collect_all(engine, [*requests, chatter])
    assert token_ids(beside) == token_ids(expected)
    for answer in answers:
        value = json.loads("".join(delta.text for delta in answer))
        assert answer[-1].finish_reason == "stop"
        assert set(value) == {"sleeps", "kind", "grades"}
        assert isinstance(value["sleeps"], bool)
        assert value["kind"] in ("heart", "spleen")
        assert set(value["grades"]) <= {1, 2}
    assert len({tuple(token_ids(answer)) for answer in answers}) > 1


@pytest.mark.parametrize("count", [0, 1])
async def test_few_alternatives_may_be_asked_for(count: int, make_base: Any):
    base = make_base("llama")
    sampling = Sampling(max_tokens=3, temperature=0.0, top_logprobs=count, ignore_eos=True)
    async with running(base) as engine:
        answer = await collect(engine, Request("1", encode(base, PROMPTS[0]), (), (), sampling))
    for token_id, told in zip(token_ids(answer), logprobs(answer), strict=True):
        assert told.token_id == token_id
        assert [own for own, _ in told.top] == [token_id][:count]
        assert torch.isfinite(torch.tensor(told.logprob))
