"""Disclaimers in the text of answers, for clients that ignore the field."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.disclaimers import BEFORE, ending_for, without_disclaimers
from serving.engine import Request
from serving.errors import EngineFailed
from serving.scripted import ScriptedEngine
from tests.service.api.chat.test_completions import events_of

DISCLAIMER = "仅供参考，不适请就医。"
ENDING = f"\n\n{DISCLAIMER}"
ANSWER = "宜食百合莲子粥。"
USAGE = {"stream": True, "stream_options": {"include_usage": True}}
HERMES = (
    "{% for tool in tools or [] %}{{ tool | tojson }}<tool_call></tool_call>{% endfor %}"
    "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"
)
TOOLS = [{"type": "function", "function": {"name": "now"}}]
CALL = '<tool_call>{"name": "now", "arguments": {}}</tool_call>'

Post = Callable[..., Any]


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(default=ANSWER)


@pytest.fixture
def post(open_client: Callable[..., Any], add_adapter: Callable[..., Path]) -> Post:
    """Ask a server that appends disclaimers: an engine, a path, then the fields of a request."""
    add_adapter("中医", disclaimer=f"{DISCLAIMER}\n")
    add_adapter("bike", disclaimer="No repair shop said this.")
    add_adapter("plain")

    def send(engine: ScriptedEngine, path: str = "/v1/chat/completions", **fields: Any) -> Any:
        body: dict[str, Any] = {"model": "中医"} | fields
        if path.endswith("/chat/completions") and "messages" not in body:
            body["messages"] = [{"role": "user", "content": "失眠"}]
        return open_client(engine, append_disclaimer=True).post(path, json=body)

    return send


def content_of(response: Any) -> str:
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["message"]["content"]


def streamed(response: Any, index: int = 0) -> str:
    """The text of one answer of a chat's stream."""
    choices = [choice for chunk in events_of(response)[:-1] for choice in chunk["choices"]]
    mine = [choice["delta"] for choice in choices if choice["index"] == index]
    return "".join(delta.get("content") or "" for delta in mine)


def test_answers_end_with_it_whole_and_streamed(post: Post, engine: ScriptedEngine):
    answer = post(engine).json()
    assert answer["choices"][0]["message"]["content"] == ANSWER + ENDING
    assert answer["disclaimer"] == DISCLAIMER
    *chunks, done = events_of(post(engine, stream=True))
    assert done == "[DONE]"
    *_, ending, last = [chunk["choices"][0] for chunk in chunks]
    assert (ending["delta"], ending["finish_reason"]) == ({"content": ENDING}, None)
    assert (last["delta"], last["finish_reason"]) == ({}, "stop")


def test_every_one_of_several_answers_has_it(post: Post, engine: ScriptedEngine):
    choices = post(engine, n=3).json()["choices"]
    assert [choice["message"]["content"] for choice in choices] == [ANSWER + ENDING] * 3
    for index in range(3):
        assert streamed(post(engine, n=3, stream=True), index) == ANSWER + ENDING


def test_it_counts_no_tokens_and_has_no_log_probabilities(
    post: Post, ask: Callable[..., Any], engine: ScriptedEngine
):
    fields = {"model": "中医", "logprobs": True}
    with_it = post(engine, **fields).json()
    without = ask(engine, **fields, messages=[{"role": "user", "content": "失眠"}]).json()
    assert with_it["usage"] == without["usage"]
    assert with_it["choices"][0]["logprobs"] == without["choices"][0]["logprobs"]
    *chunks, last, _ = events_of(post(engine, **fields, **USAGE))
    assert last["usage"] == without["usage"]
    told = [chunk["choices"][0]["logprobs"] for chunk in chunks]
    assert (
        sum(len(each["content"]) for each in told if each) == without["usage"]["completion_tokens"]
    )


def test_answer_cut_at_max_tokens_has_it_too(post: Post, engine: ScriptedEngine):
    choice = post(engine, max_tokens=1).json()["choices"][0]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["content"] == ANSWER[:3] + ENDING


def test_answer_cut_by_an_error_has_none(post: Post):
    engine = ScriptedEngine(default=ANSWER, failure=EngineFailed("A step failed."), fail_at=1)
    response = post(engine, stream=True)
    assert '"error"' in response.text
    assert DISCLAIMER not in response.text


@pytest.mark.parametrize(
    "response_format",
    [
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
    ],
)
def test_answer_that_must_be_json_stays_json(post: Post, response_format: dict[str, Any]):
    engine = ScriptedEngine(default='{"宜": "百合"}')
    fields = {"response_format": response_format}
    assert json.loads(content_of(post(engine, **fields))) == {"宜": "百合"}
    assert json.loads(streamed(post(engine, **fields, stream=True))) == {"宜": "百合"}
    assert post(engine, **fields).json()["disclaimer"] == DISCLAIMER
    text = content_of(post(engine, response_format={"type": "text"}))
    assert text.endswith(ENDING)


@pytest.mark.parametrize(
    ("text", "content", "fields"),
    [
        (CALL, None, {}),
        (f"我看看。{CALL}", "我看看。", {}),
        ('[{"name": "now", "arguments": {}}]', None, {"tool_choice": "required"}),
    ],
)
def test_calls_of_tools_have_none(
    post: Post,
    add_adapter: Callable[..., Path],
    text: str,
    content: str | None,
    fields: dict[str, Any],
):
    add_adapter("desk", template=HERMES, disclaimer=DISCLAIMER)
    asked = {"model": "desk", "tools": TOOLS} | fields
    message = post(ScriptedEngine(default=text), **asked).json()["choices"][0]["message"]
    assert message["tool_calls"]
    assert message["content"] == content
    assert DISCLAIMER not in streamed(post(ScriptedEngine(default=text), **asked, stream=True))
    assert content_of(post(ScriptedEngine(default="好。"), model="desk", tools=TOOLS)) == (
        f"好。{ENDING}"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (f"A.{ENDING}\n", f"A.{ENDING}\n"),
        (f"A. {DISCLAIMER}", f"A. {DISCLAIMER}"),
        (f"{DISCLAIMER} A.", f"{DISCLAIMER} A.{ENDING}"),
    ],
)
def test_no_answer_says_it_twice_and_an_empty_one_not_at_all(post: Post, text: str, expected: str):
    assert content_of(post(ScriptedEngine({("中医",): text}))) == expected
    assert streamed(post(ScriptedEngine({("中医",): text}), stream=True)) == expected


@pytest.mark.parametrize("model", ["base", "plain"])
def test_what_has_no_disclaimer_appends_nothing(post: Post, engine: ScriptedEngine, model: str):
    assert content_of(post(engine, model=model)) == ANSWER


def test_nothing_is_appended_unless_the_setting_says_so(
    ask: Callable[..., Any],
    engine: ScriptedEngine,
    add_adapter: Callable[..., Path],
    prompt_of: Callable[[Request], str],
):
    add_adapter("中医", disclaimer=DISCLAIMER)
    messages = [*conversation(ANSWER + ENDING), {"role": "user", "content": "还有呢？"}]
    assert content_of(ask(engine, model="中医", messages=messages)) == ANSWER
    assert ANSWER + ENDING in prompt_of(engine.requests[0])


def conversation(answer: object) -> list[dict[str, Any]]:
    return [{"role": "user", "content": "失眠"}, {"role": "assistant", "content": answer}]


@pytest.mark.parametrize(
    ("model", "ending"),
    [
        ("中医", ENDING),
        ("中医", f"{ENDING} \n"),
        ("中医", "\n\nNo repair shop said this."),  # of an adapter that answered before
        ("bike", ENDING),
        ("base", ENDING),
        ("中医", f"{ENDING}\nNo repair shop said this."),  # of a blend
        ("中医:0.5+bike:0.5", f"\n\nNo repair shop said this.\n{DISCLAIMER}"),
    ],
)
def test_it_is_taken_off_the_answers_that_come_back(
    post: Post, engine: ScriptedEngine, prompt_of: Callable[[Request], str], model: str, ending: str
):
    question = {"role": "user", "content": "还有呢？"}
    for answer in (ANSWER, ANSWER + ending, [{"type": "text", "text": ANSWER + ending}]):
        post(engine, model=model, messages=[*conversation(answer), question])
    plain, *others = [prompt_of(request) for request in engine.requests]
    assert ANSWER in plain
    assert others == [plain, plain]


def test_answer_that_is_continued_is_continued_without_it(
    post: Post, engine: ScriptedEngine, prompt_of: Callable[[Request], str]
):
    for answer in (ANSWER, ANSWER + ENDING):
        assert content_of(post(engine, messages=conversation(answer))) == ANSWER + ENDING
    plain, returned = [prompt_of(request) for request in engine.requests]
    assert returned == plain


def test_it_stays_where_a_person_says_it(
    post: Post, engine: ScriptedEngine, prompt_of: Callable[[Request], str]
):
    said = [{"role": role, "content": f"A.{ENDING}"} for role in ("system", "user")]
    post(engine, messages=said)
    assert prompt_of(engine.requests[0]).count(DISCLAIMER) == 2


def test_tokenize_counts_the_prompt_that_a_chat_gets(post: Post, engine: ScriptedEngine):
    counts = [
        post(engine, "/tokenize", messages=conversation(answer)).json()["count"]
        for answer in (ANSWER, ANSWER + ENDING)
    ]
    assert counts[0] == counts[1]


def test_a_finished_text_ends_with_it_and_a_cut_one_does_not(post: Post, engine: ScriptedEngine):
    prompts = ["失眠，", "胃胀，"]
    fields: dict[str, Any] = {"prompt": prompts, "n": 2, "max_tokens": 9, "echo": True}
    answer = post(engine, "/v1/completions", **fields).json()
    texts = [choice["text"] for choice in answer["choices"]]
    expected = [f"{prompt}{ANSWER}{ENDING}" for prompt in prompts for _ in range(2)]
    assert texts == expected
    *chunks, _ = events_of(post(engine, "/v1/completions", **fields, stream=True))
    choices = [chunk["choices"][0] for chunk in chunks]
    for index, text in enumerate(expected):
        assert "".join(each["text"] for each in choices if each["index"] == index) == text
    cut = post(engine, "/v1/completions", prompt="失眠，", max_tokens=1).json()
    assert (cut["choices"][0]["text"], cut["disclaimer"]) == (ANSWER[:3], DISCLAIMER)


def test_a_text_and_its_log_probabilities_end_at_the_same_token(post: Post, engine: ScriptedEngine):
    answer = post(engine, "/v1/completions", prompt="失眠，", logprobs=0).json()
    told = answer["choices"][0]["logprobs"]
    assert len(told["tokens"]) == answer["usage"]["completion_tokens"]
    assert max(told["text_offset"]) < len(ANSWER)


TEXTS = st.text("甲乙。 \n", max_size=12)
DISCLAIMERS = st.lists(
    st.text("参考.\n", min_size=1, max_size=6).map(str.strip).filter(bool), min_size=1, max_size=3
)


@given(text=TEXTS.filter(str.strip), said=DISCLAIMERS)
def test_what_is_put_behind_an_answer_is_taken_off_again(text: str, said: Sequence[str]):
    ending = BEFORE + "\n".join(said)
    assert ending_for(text, ending) == ending
    assert without_disclaimers(text + ending, frozenset([*said, "\n".join(said)])) == text


@given(text=TEXTS)
def test_an_answer_without_any_stays_as_it_is(text: str):
    assert without_disclaimers(text, ("参考。",)) == text
