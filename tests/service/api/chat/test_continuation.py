"""A chat whose last message is the assistant's: the answer continues it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from data.chat import ChatRenderer, Tokenizer
from data.conversation import Message
from serving.engine import Request
from serving.scripted import ScriptedEngine
from tests.service.api.chat.test_completions import events_of

Ask = Callable[..., Any]
QUESTION = {"role": "user", "content": "Hi"}
BEGUN = {"role": "assistant", "content": "The chain"}
MESSAGES = [QUESTION, BEGUN]
SAID = [Message("user", "Hi"), Message("assistant", "The chain")]
TOOL = {"type": "function", "function": {"name": "dose"}}
CALL = {"id": "c", "type": "function", "function": {"name": "dose", "arguments": "{}"}}
TOOLS = (
    "{% for tool in tools or [] %}{{ tool | tojson }}{% endfor %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TRIMS = (
    "{% for m in messages %}{{ '[' + m.content + ']' if m.role == 'user' "
    "else ' ' + m.content | trim + '<|im_end|>' }}{% endfor %}"
)


def asked(ask: Ask, **fields: Any) -> Request:
    engine = ScriptedEngine()
    response = ask(engine, **({"messages": MESSAGES} | fields))
    assert response.status_code == 200, response.text
    return engine.requests[0]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"continue_final_message": True},
        {"continue_final_message": True, "add_generation_prompt": False},
        {"messages": [QUESTION, BEGUN | {"content": [{"type": "text", "text": "The chain"}]}]},
    ],
)
def test_the_prompt_ends_where_the_last_message_stops(
    ask: Ask, prompt_of: Callable[[Request], str], fields: dict[str, Any]
):
    text = prompt_of(asked(ask, **fields))
    assert text == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nThe chain"


def test_an_adapters_own_template_and_system_prompt_are_used(
    ask: Ask, prompt_of: Callable[[Request], str], add_adapter: Callable[..., Path]
):
    add_adapter("tcm", system="You know herbs.")
    add_adapter("trimming", template=TRIMS)
    assert prompt_of(asked(ask, model="tcm")).startswith("<|im_start|>system\nYou know herbs.")
    assert prompt_of(asked(ask, model="trimming")) == "[Hi] The chain"
    blank = [QUESTION, BEGUN | {"content": " The chain "}]
    assert prompt_of(asked(ask, model="trimming", messages=blank)) == "[Hi] The chain "


def test_the_answer_is_what_comes_after(ask: Ask):
    whole = ask(ScriptedEngine(default=" slips."), messages=MESSAGES).json()
    assert whole["choices"][0]["message"]["content"] == " slips."
    stream = ask(ScriptedEngine(default=" slips."), messages=MESSAGES, stream=True)
    *chunks, _ = events_of(stream)
    told = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks]
    assert "".join(told) == " slips."


def test_an_answer_of_which_nothing_is_said_is_a_new_one(
    ask: Ask, prompt_of: Callable[[Request], str]
):
    text = prompt_of(asked(ask, messages=[QUESTION, BEGUN | {"content": ""}]))
    assert text == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({"continue_final_message": False}, "The chain<|im_end|>\n<|im_start|>assistant\n"),
        ({"add_generation_prompt": True}, "The chain<|im_end|>\n<|im_start|>assistant\n"),
        ({"add_generation_prompt": False}, "The chain<|im_end|>\n"),
        ({"messages": [QUESTION], "add_generation_prompt": False}, "Hi<|im_end|>\n"),
    ],
)
def test_vllms_fields_end_the_prompt_as_they_say(
    ask: Ask, prompt_of: Callable[[Request], str], fields: dict[str, Any], end: str
):
    assert prompt_of(asked(ask, **fields)).endswith(end)


@pytest.mark.parametrize(
    ("fields", "param", "word"),
    [
        (
            {"messages": [QUESTION], "continue_final_message": True},
            "continue_final_message",
            "unless the last message is the assistant's",
        ),
        (
            {"continue_final_message": True, "add_generation_prompt": True},
            "continue_final_message",
            "add_generation_prompt",
        ),
        (
            {"messages": [QUESTION, {"role": "assistant", "tool_calls": [CALL]}]},
            "messages",
            "calls no tool",
        ),
        ({"messages": [BEGUN]}, "messages", "follows a question"),
        ({"response_format": {"type": "json_object"}}, "response_format", "cannot be held"),
        (
            {"model": "desk", "tools": [TOOL], "tool_choice": "required"},
            "tool_choice",
            "cannot be held",
        ),
        ({"model": "cutting"}, "messages", "cannot be continued"),
    ],
)
def test_what_cannot_be_continued_is_refused_by_name(
    ask: Ask, add_adapter: Callable[..., Path], fields: dict[str, Any], param: str, word: str
):
    add_adapter("desk", template=TOOLS)
    add_adapter("cutting", template="{% for m in messages %}{{ m.content[:3] }}{% endfor %}")
    engine = ScriptedEngine()
    response = ask(engine, **({"messages": MESSAGES} | fields))
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert error["param"] == param
    assert word in error["message"]
    assert engine.requests == []


def test_a_chat_that_goes_on_is_tokenized_as_it_is_asked(
    open_client: Callable[..., TestClient], tokenizer: Tokenizer
):
    client, renderer = open_client(ScriptedEngine()), ChatRenderer(tokenizer)

    def tokens(**fields: Any) -> tuple[int, ...]:
        answer = client.post("/tokenize", json={"messages": MESSAGES} | fields)
        return tuple(answer.json()["tokens"])

    assert tokens() == renderer.continued_ids(SAID)
    both = {"continue_final_message": True, "add_generation_prompt": False}
    assert tokens(**both) == renderer.continued_ids(SAID)
    assert tokens(continue_final_message=False) == renderer.prompt_ids(SAID)
    assert tokens(add_generation_prompt=True) == renderer.prompt_ids(SAID)
    assert tokens(add_generation_prompt=False) == renderer.whole_ids(SAID)
