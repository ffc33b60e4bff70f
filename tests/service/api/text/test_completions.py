"""Text completions: what the engine is asked, and the shapes of answers and streams."""

import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from finetune.adapters.card import SamplingDefaults
from serving.engine import Delta, Request, Sampling
from serving.scripted import ScriptedEngine
from tests.service.api.chat.test_completions import events_of

Complete = Callable[..., Any]


class Echoing(ScriptedEngine):
    """Answers each prompt with its number of tokens, told as one token."""

    async def submit(self, request: Request) -> AsyncGenerator[Delta]:
        self.requests.append(request)
        yield Delta((1,), str(len(request.prompt_ids)), cached_tokens=1)
        yield Delta(finish_reason="stop")


def asked(complete: Complete, **fields: Any) -> Request:
    """The engine request that a text completion becomes."""
    engine = ScriptedEngine()
    response = complete(engine, **fields)
    assert response.status_code == 200, response.text
    return engine.requests[0]


def test_answer_has_openais_shape(complete: Complete):
    answer = complete(ScriptedEngine(default="Hello!")).json()
    assert answer.pop("id").startswith("cmpl-")
    assert isinstance(answer.pop("created"), int)
    assert answer == {
        "object": "text_completion",
        "model": "base",
        "system_fingerprint": "base",
        "choices": [{"index": 0, "text": "Hello!", "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 2,
            "completion_tokens": 2,
            "total_tokens": 4,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
    }


def test_prompt_reaches_the_engine_without_a_template(complete: Complete, tokenizer: Any):
    text = "中医 <|im_start|>说"
    request = asked(complete, prompt=text)
    assert request.prompt_ids == tuple(tokenizer.encode(text))
    assert tokenizer.convert_tokens_to_ids("<|im_start|>") in request.prompt_ids
    assert request.end_ids == (tokenizer.eos_token_id,)


def test_sampling_is_that_of_chats_but_for_the_length(complete: Complete):
    fields: dict[str, Any] = {
        "temperature": 0,
        "top_p": 0.9,
        "top_k": 7,
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "presence_penalty": -1,
        "frequency_penalty": 2,
        "seed": 11,
        "ignore_eos": True,
    }
    request = asked(complete, stop="END", logit_bias={"5": 1}, user="me", **fields)
    assert request.sampling == Sampling(
        max_tokens=16, stop=("END",), logit_bias=((5, 1.0),), **fields
    )


def test_default_length_is_what_the_context_leaves(complete: Complete):
    engine = ScriptedEngine(context_length=10)
    assert complete(engine).status_code == 200
    assert engine.requests[0].sampling.max_tokens == 8


def test_minus_one_is_all_that_the_context_leaves(complete: Complete):
    engine = ScriptedEngine(context_length=1000)
    assert complete(engine, max_tokens=-1).status_code == 200
    assert engine.requests[0].sampling.max_tokens == 998


def test_adapter_answers_with_its_defaults_and_disclaimer_and_without_its_system_prompt(
    complete: Complete, add_adapter: Callable[..., Path]
):
    defaults = SamplingDefaults(temperature=0.2, max_tokens=9)
    add_adapter("中医", system="You know herbs.", sampling=defaults, disclaimer="仅供参考。")
    engine = ScriptedEngine({("中医",): "姜"})
    answer = complete(engine, model="中医:0.5").json()
    assert (answer["choices"][0]["text"], answer["disclaimer"]) == ("姜", "仅供参考。")
    assert answer["system_fingerprint"] == "中医@1:0.5"
    request = engine.requests[0]
    assert (request.sampling.temperature, request.sampling.max_tokens) == (0.2, 9)
    assert len(request.prompt_ids) == 2


@pytest.mark.parametrize(
    ("prompt", "lengths"),
    [
        ("abc", [3]),
        (["a", "bb"], [1, 2]),
        ([5, 6, 7, 8], [4]),
        ([[5], [6, 7]], [1, 2]),
        (["a", [5, 6]], [1, 2]),
    ],
)
def test_every_prompt_has_its_answers_in_turn(complete: Complete, prompt: Any, lengths: list[int]):
    engine = Echoing()
    answer = complete(engine, prompt=prompt, n=2, seed=3).json()
    texts = [str(length) for length in lengths for _ in range(2)]
    assert [choice["text"] for choice in answer["choices"]] == texts
    assert [choice["index"] for choice in answer["choices"]] == list(range(len(texts)))
    assert [request.sampling.seed for request in engine.requests] == [3, 4] * len(lengths)
    assert len({request.id for request in engine.requests}) == len(texts)
    usage = answer["usage"]
    assert usage["prompt_tokens"] == sum(lengths)
    assert usage["completion_tokens"] == len(texts)
    assert usage["prompt_tokens_details"]["cached_tokens"] == len(lengths)


def test_streamed_answers_have_their_index_and_one_usage(complete: Complete):
    fields = {"stream": True, "stream_options": {"include_usage": True}, "echo": True}
    engine = ScriptedEngine(default="甲乙丙丁")
    *chunks, usage, done = events_of(complete(engine, prompt=["a", "b"], **fields))
    assert done == "[DONE]"
    for index, prompt in enumerate(["a", "b"]):
        mine = [chunk["choices"][0] for chunk in chunks if chunk["choices"][0]["index"] == index]
        assert [(choice["text"], choice["finish_reason"]) for choice in mine] == [
            (prompt, None),
            ("甲乙丙", None),
            ("丁", None),
            ("", "stop"),
        ]
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert all(chunk["usage"] is None for chunk in chunks)
    assert (usage["choices"], usage["usage"]["total_tokens"]) == ([], 6)


def test_stream_without_usage_has_no_such_key(complete: Complete):
    *chunks, _ = events_of(complete(stream=True))
    assert all("usage" not in chunk for chunk in chunks)


def test_streams_end_has_the_disclaimer(complete: Complete, add_adapter: Callable[..., Path]):
    add_adapter("中医", disclaimer="仅供参考。")
    *chunks, last, _ = events_of(complete(model="中医", stream=True))
    assert last["disclaimer"] == "仅供参考。"
    assert all("disclaimer" not in chunk for chunk in chunks)


@pytest.mark.parametrize("prompt", ["你好", [228, 189]])
def test_echo_puts_the_prompt_before_the_answer(complete: Complete, tokenizer: Any, prompt: Any):
    answer = complete(ScriptedEngine(default="!"), prompt=prompt, echo=True).json()
    before = prompt if isinstance(prompt, str) else tokenizer.decode(prompt)
    assert answer["choices"][0]["text"] == f"{before}!"


def test_log_probabilities_have_the_older_shape(complete: Complete, tokenizer: Any):
    engine = ScriptedEngine(default="甲乙丙丁")
    answer = complete(engine, logprobs=2).json()
    told = answer["choices"][0]["logprobs"]
    first, second, third = tokenizer.convert_ids_to_tokens([0, 1, 2])
    assert told["tokens"] == [first, second]
    assert told["token_logprobs"] == pytest.approx([-0.693, -0.693], abs=1e-3)
    assert [list(top) for top in told["top_logprobs"]] == [[first, second], [second, third]]
    assert told["text_offset"] == [0, 3]
    assert engine.requests[0].sampling.top_logprobs == 2
    chunks = events_of(complete(ScriptedEngine(default="甲乙丙丁"), logprobs=2, stream=True))[:-1]
    parts = [chunk["choices"][0]["logprobs"] for chunk in chunks]
    assert [part["text_offset"] for part in parts if part] == [[0], [3]]
    assert [part["tokens"] for part in parts if part] == [[first], [second]]


def test_no_alternatives_leave_the_token_itself(complete: Complete):
    told = complete(ScriptedEngine(default="abc"), logprobs=0).json()["choices"][0]["logprobs"]
    assert [len(top) for top in told["top_logprobs"]] == [1]


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"prompt": None}, "prompt", None),
        ({"prompt": ""}, "prompt", None),
        ({"prompt": []}, "prompt", None),
        ({"prompt": ["a", ""]}, "prompt", None),
        ({"prompt": [[]]}, "prompt", None),
        ({"prompt": ["a", 5]}, "prompt", None),
        ({"prompt": [True]}, "prompt", None),
        ({"prompt": {"text": "a"}}, "prompt", None),
        ({"prompt": [9999]}, "prompt", None),
        ({"prompt": [[1], [-1]]}, "prompt", None),
        ({"prompt": ["a"] * 129}, "prompt", None),
        ({"prompt": ["a"] * 2, "n": 65}, "prompt", None),
        ({"prompt": "x" * 3000}, "prompt", "context_length_exceeded"),
        ({"n": 129}, "n", None),
        ({"logprobs": 6}, "logprobs", None),
        ({"logprobs": True}, "logprobs", None),
        ({"max_tokens": 0}, "max_tokens", None),
        ({"echo": True, "logprobs": 1}, "logprobs", "unsupported_parameter"),
        ({"suffix": "end"}, "suffix", "unsupported_parameter"),
        ({"best_of": 3}, "best_of", "unsupported_parameter"),
        ({"best_of": 3, "n": 2}, "best_of", "unsupported_parameter"),
        ({"stream_options": {"include_usage": True}}, "stream_options", None),
    ],
)
def test_wrong_value_is_refused_by_its_path(
    complete: Complete, fields: dict[str, Any], param: str, code: str | None
):
    response = complete(**fields)
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)


def test_half_a_surrogate_pair_is_refused(open_client: Callable[..., Any]):
    body = '{"model": "base", "prompt": ["a", "\\ud800"]}'
    headers = {"Content-Type": "application/json"}
    client = open_client(ScriptedEngine())
    response = client.post("/v1/completions", content=body, headers=headers)
    assert response.status_code == 400, response.text
    assert response.json()["error"]["param"] == "prompt"


def test_what_asks_for_nothing_is_accepted(complete: Complete):
    nothing = {"suffix": None, "best_of": 1, "echo": False, "logprobs": None, "made_up": 1}
    assert asked(complete, **nothing).sampling == Sampling(max_tokens=16)


def test_unknown_model_is_not_found(complete: Complete):
    assert complete(model="nobody").json()["error"]["code"] == "model_not_found"


def test_body_is_what_streams_need(complete: Complete):
    payload = complete(stream=True).text.split("\n\n")[0]
    assert json.loads(payload.removeprefix("data: "))["choices"][0]["text"] == "I a"
