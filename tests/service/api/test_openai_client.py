"""OpenAI's own client against the service."""

import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from serving.engine import Engine
from serving.errors import EngineBusy, EngineFailed
from serving.scripted import ScriptedEngine

Connect = Callable[[ScriptedEngine], OpenAI]


@pytest.fixture
def connect(serve: Callable[[Engine], str]) -> Generator[Connect]:
    opened: list[OpenAI] = []

    def open_one(engine: ScriptedEngine) -> OpenAI:
        client = OpenAI(base_url=f"{serve(engine)}/v1", api_key="none", max_retries=0)
        opened.append(client)
        return client

    yield open_one
    for client in opened:
        client.close()


def ask(client: OpenAI, model: str = "base") -> str | None:
    answer = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Hi"}]
    )
    return answer.choices[0].message.content


def test_plain_answer(connect: Connect, add_adapter: Callable[..., Path]):
    add_adapter("tcm")
    client = connect(ScriptedEngine({("tcm",): "Ginger."}))
    assert ask(client) == "I am the base model."
    assert ask(client, "tcm") == "Ginger."


def test_streamed_answer_with_usage(connect: Connect):
    chunks = list(
        connect(ScriptedEngine()).chat.completions.create(
            model="base",
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
            stream_options={"include_usage": True},
            extra_body={"top_k": 5, "lora": []},
        )
    )
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == "I am the base model."
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == len(texts) - 2


def test_stream_helper_puts_the_answer_together(connect: Connect):
    with connect(ScriptedEngine()).chat.completions.stream(
        model="base", messages=[{"role": "user", "content": "Hi"}]
    ) as stream:
        answer = stream.get_final_completion()
    assert answer.choices[0].message.content == "I am the base model."


def test_closing_a_stream_cancels_the_request(connect: Connect, wait_until: Callable[..., None]):
    engine = ScriptedEngine(default="word " * 1_000, delay=0.01)
    stream = connect(engine).chat.completions.create(
        model="base", messages=[{"role": "user", "content": "Hi"}], stream=True
    )
    next(stream)
    stream.close()
    wait_until(lambda: engine.cancelled == engine.requests)


def test_models_are_listed_and_found(connect: Connect, add_adapter: Callable[..., Path]):
    add_adapter("中医")
    client = connect(ScriptedEngine())
    assert [model.id for model in client.models.list()] == ["base", "中医"]
    assert client.models.retrieve("中医@1:0.5").id == "中医@1:0.5"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody")


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (EngineBusy("The queue is full."), openai.RateLimitError),
        (EngineFailed("A step failed."), openai.InternalServerError),
        (RuntimeError("secret"), openai.InternalServerError),
    ],
)
def test_engines_error_is_the_clients_own_class(
    connect: Connect, failure: Exception, expected: type[openai.APIStatusError]
):
    with pytest.raises(expected):
        ask(connect(ScriptedEngine(failure=failure)))


def test_unknown_model_is_not_found_with_its_code(connect: Connect):
    with pytest.raises(openai.NotFoundError) as caught:
        ask(connect(ScriptedEngine()), "nobody")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_wrong_field_is_a_bad_request(connect: Connect):
    with pytest.raises(openai.BadRequestError) as caught:
        connect(ScriptedEngine()).chat.completions.create(
            model="base", messages=[{"role": "user", "content": "Hi"}], n=129
        )
    assert caught.value.param == "n"


def test_several_answers_whole(connect: Connect):
    engine = ScriptedEngine(default="Hello!")
    answer = connect(engine).chat.completions.create(
        model="base", messages=[{"role": "user", "content": "Hi"}], n=3
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert [choice.message.content for choice in answer.choices] == ["Hello!"] * 3
    assert [choice.finish_reason for choice in answer.choices] == ["stop"] * 3
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == len(engine.requests[0].prompt_ids)
    assert answer.usage.completion_tokens == 6


def test_several_answers_streamed(connect: Connect):
    with connect(ScriptedEngine(default="Hello!")).chat.completions.stream(
        model="base",
        messages=[{"role": "user", "content": "Hi"}],
        n=3,
        stream_options={"include_usage": True},
    ) as stream:
        answer = stream.get_final_completion()
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert [choice.message.content for choice in answer.choices] == ["Hello!"] * 3
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 6


def test_streamed_log_probabilities_are_those_of_the_whole_answer(connect: Connect):
    client = connect(ScriptedEngine())

    def options() -> Any:
        messages = [{"role": "user", "content": "Hi"}]
        return {"model": "base", "messages": messages, "logprobs": True, "top_logprobs": 2}

    whole = client.chat.completions.create(**options()).choices[0].logprobs
    chunks = client.chat.completions.create(**options(), stream=True)
    parts = [chunk.choices[0].logprobs for chunk in chunks]
    assert whole is not None
    assert whole.content is not None
    assert [len(token.top_logprobs) for token in whole.content] == [2] * 7
    assert [token for part in parts if part for token in part.content or []] == whole.content


def test_a_parsed_answer_comes_by_its_schema(connect: Connect):
    class Herb(BaseModel):
        name: str
        dose: int

    engine = ScriptedEngine(default='{"name": "百合", "dose": 10}')
    answer = connect(engine).chat.completions.parse(
        model="base", messages=[{"role": "user", "content": "Hi"}], response_format=Herb
    )
    assert answer.choices[0].message.parsed == Herb(name="百合", dose=10)
    schema = engine.requests[0].sampling.json_schema
    assert schema is not None
    assert set(json.loads(schema)["properties"]) == {"name", "dose"}


WRITES_TOOLS = (
    "{% for tool in tools or [] %}{{ tool | tojson }} <tool_call>{% endfor %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
)
DOSE_CALL = '<tool_call>{"name": "Dose", "arguments": {"herb": {"name": "百合"}}}</tool_call>'


class Name(BaseModel):
    name: str


class Dose(BaseModel):
    """How much of a herb."""

    herb: Name


def tools() -> Any:
    return [openai.pydantic_function_tool(Dose)]


def test_called_tools_are_parsed(connect: Connect, add_adapter: Callable[..., Path]):
    add_adapter("中医", template=WRITES_TOOLS)
    answer = connect(ScriptedEngine(default=f"好。{DOSE_CALL}")).chat.completions.parse(
        model="中医", messages=[{"role": "user", "content": "Hi"}], tools=tools()
    )
    choice = answer.choices[0]
    assert (choice.message.content, choice.finish_reason) == ("好。", "tool_calls")
    assert choice.message.tool_calls is not None
    (call,) = choice.message.tool_calls
    assert call.function.parsed_arguments == Dose(herb=Name(name="百合"))


def test_required_tool_with_nested_models_is_parsed(
    connect: Connect, add_adapter: Callable[..., Path]
):
    add_adapter("中医", template=WRITES_TOOLS)
    engine = ScriptedEngine(default='[{"name": "Dose", "arguments": {"herb": {"name": "姜"}}}]')
    answer = connect(engine).chat.completions.parse(
        model="中医",
        messages=[{"role": "user", "content": "Hi"}],
        tools=tools(),
        tool_choice="required",
    )
    assert answer.choices[0].message.tool_calls is not None
    (call,) = answer.choices[0].message.tool_calls
    assert call.function.parsed_arguments == Dose(herb=Name(name="姜"))


def test_called_tools_are_put_together_from_a_stream(
    connect: Connect, add_adapter: Callable[..., Path]
):
    add_adapter("中医", template=WRITES_TOOLS)
    with connect(ScriptedEngine(default=DOSE_CALL * 2)).chat.completions.stream(
        model="中医", messages=[{"role": "user", "content": "Hi"}], tools=tools()
    ) as stream:
        events = [event.type for event in stream]
        choice = stream.get_final_completion().choices[0]
    assert events.count("tool_calls.function.arguments.done") == 2
    assert (choice.message.content, choice.finish_reason) == (None, "tool_calls")
    assert choice.message.tool_calls is not None
    parsed = [call.function.parsed_arguments for call in choice.message.tool_calls]
    assert parsed == [Dose(herb=Name(name="百合"))] * 2


def test_answer_with_calls_can_be_sent_back_with_the_tools_answer(
    connect: Connect, add_adapter: Callable[..., Path], prompt_of: Any
):
    add_adapter("中医", template=WRITES_TOOLS.replace("m.content", "m.tool_calls or m.content"))
    engine = ScriptedEngine(default=DOSE_CALL)
    client = connect(engine)
    question: Any = {"role": "user", "content": "Hi"}
    answer = client.chat.completions.create(model="中医", messages=[question], tools=tools())
    message: Any = answer.choices[0].message
    told: Any = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "10 g"}
    client.chat.completions.create(
        model="中医", messages=[question, message, told], tools=tools(), tool_choice="auto"
    )
    assert "百合" in prompt_of(engine.requests[1])
    assert "10 g" in prompt_of(engine.requests[1])


def test_tools_that_the_base_cannot_be_told_are_a_bad_request(connect: Connect):
    with pytest.raises(openai.BadRequestError) as caught:
        connect(ScriptedEngine()).chat.completions.create(
            model="base", messages=[{"role": "user", "content": "Hi"}], tools=tools()
        )
    assert (caught.value.param, caught.value.code) == ("tools", "unsupported_parameter")


def test_disclaimer_is_an_extra_field(connect: Connect, add_adapter: Callable[..., Path]):
    add_adapter("中医", disclaimer="仅供参考。")
    answer = connect(ScriptedEngine()).chat.completions.create(
        model="中医", messages=[{"role": "user", "content": "Hi"}]
    )
    assert answer.model_extra == {"disclaimer": "仅供参考。"}


def test_text_completion_whole_and_streamed(connect: Connect):
    client = connect(ScriptedEngine(default="甲乙丙丁"))
    whole = client.completions.create(model="base", prompt=["a", "b"], logprobs=1, n=2)
    assert [choice.text for choice in whole.choices] == ["甲乙丙丁"] * 4
    logprobs = whole.choices[3].logprobs
    assert logprobs is not None
    assert logprobs.text_offset == [0, 3]
    chunks = list(client.completions.create(model="base", prompt="a", stream=True, echo=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == "a甲乙丙丁"
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_error_in_the_middle_of_a_stream_is_raised(connect: Connect):
    engine = ScriptedEngine(failure=EngineFailed("A step failed."), fail_at=2)
    stream = connect(engine).chat.completions.create(
        model="base", messages=[{"role": "user", "content": "Hi"}], stream=True
    )
    with pytest.raises(openai.APIError, match=r"A step failed\."):
        list(stream)
