"""OpenAI's client for Python: does one of its scenarios, prints what came as JSON."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

URL, SCENARIO = sys.argv[1:]
KEY = os.environ["CLIENT_KEY"]
QUESTION: Any = [{"role": "user", "content": "Hi"}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}

client = OpenAI(base_url=URL, api_key=KEY, max_retries=0)


class Herb(BaseModel):
    name: str
    dose: int


def plain() -> object:
    answers = [
        client.chat.completions.create(model=model, messages=QUESTION) for model in ("base", "中医")
    ]
    return [answer.choices[0].message.content for answer in answers]


def concurrent() -> object:
    async def ask() -> list[str | None]:
        async with AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0) as asynchronous:
            create = asynchronous.chat.completions.create
            answers = await asyncio.gather(
                *(create(model=model, messages=QUESTION) for model in ("base", "中医"))
            )
        return [answer.choices[0].message.content for answer in answers]

    return asyncio.run(ask())


def concurrent_stream() -> object:
    async def ask() -> list[str | None]:
        async with AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0) as asynchronous:
            stream = await asynchronous.chat.completions.create(
                model="中医", messages=QUESTION, stream=True
            )
            return [chunk.choices[0].delta.content async for chunk in stream]

    return asyncio.run(ask())


def stream() -> object:
    chunks = list(client.chat.completions.create(model="中医", messages=QUESTION, stream=True))
    return [
        [chunk.choices[0].delta.content, chunk.choices[0].finish_reason, chunk.usage]
        for chunk in chunks
    ]


def pieces() -> None:
    for chunk in client.chat.completions.create(model="base", messages=QUESTION, stream=True):
        sys.stdout.write(chunk.choices[0].delta.content or "")
        sys.stdout.flush()
    sys.exit()


def usage() -> object:
    chunks = list(
        client.chat.completions.create(
            model="base",
            messages=QUESTION,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    last = chunks[-1]
    assert last.usage is not None
    return {"choices": last.choices, "usage": last.usage.to_dict()}


def parse() -> object:
    answer = client.chat.completions.parse(model="base", messages=QUESTION, response_format=Herb)
    parsed = answer.choices[0].message.parsed
    assert isinstance(parsed, Herb)
    return parsed.model_dump()


def models() -> object:
    listed = [model.id for model in client.models.list()]
    return [listed, client.models.retrieve("中医@1").id]


def wrong_field() -> object:
    return client.chat.completions.create(model="base", messages=QUESTION, n=999)


def unknown_model() -> object:
    return client.chat.completions.create(model="nobody", messages=QUESTION)


def too_long() -> object:
    return client.chat.completions.create(
        model="base", messages=[{"role": "user", "content": "long " * 5_000}]
    )


def ask() -> object:
    return client.chat.completions.create(model="base", messages=QUESTION).choices[0].to_dict()


def retry() -> object:
    patient = client.with_options(max_retries=1)
    answer = patient.chat.completions.create(model="base", messages=QUESTION)
    return answer.choices[0].message.content


def real_stream() -> object:
    chunks = client.chat.completions.create(
        model="中医",
        messages=QUESTION,
        stream=True,
        max_tokens=12,
        temperature=0,
        stream_options={"include_usage": True},
        extra_body={"ignore_eos": True},
    )
    pieces = list(chunks)
    texts = [chunk.choices[0].delta.content or "" for chunk in pieces if chunk.choices]
    whole = client.chat.completions.create(
        model="中医",
        messages=QUESTION,
        max_tokens=12,
        temperature=0,
        extra_body={"ignore_eos": True},
    )
    counted = pieces[-1].usage
    assert counted is not None
    return {
        "streamed": "".join(texts),
        "num_events": len(texts),
        "whole": whole.choices[0].message.content,
        "completion_tokens": counted.completion_tokens,
    }


def call() -> object:
    answer = client.chat.completions.create(model="中医", messages=QUESTION, tools=[WEATHER])
    return answer.choices[0].to_dict()


def streamed_call() -> object:
    with client.chat.completions.stream(model="中医", messages=QUESTION, tools=[WEATHER]) as events:
        return events.get_final_completion().choices[0].to_dict()


def answered_call() -> object:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    history: Any = [
        *QUESTION,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Rain."},
    ]
    answer = client.chat.completions.create(model="中医", messages=history, tools=[WEATHER])
    return answer.choices[0].message.content


def text() -> object:
    answer = client.completions.create(model="base", prompt=["Once", "Twice"], max_tokens=3)
    return [[choice.index, choice.text, choice.finish_reason] for choice in answer.choices]


def streamed_text() -> object:
    chunks = client.completions.create(model="base", prompt="Once", max_tokens=3, stream=True)
    return "".join(chunk.choices[0].text for chunk in chunks)


def delete() -> object:
    deleted = client.models.delete("中医")
    return [deleted.id, deleted.deleted, [model.id for model in client.models.list()]]


SCENARIOS: dict[str, Callable[[], object]] = {
    scenario.__name__: scenario
    for scenario in (
        plain,
        concurrent,
        concurrent_stream,
        stream,
        pieces,
        usage,
        parse,
        models,
        wrong_field,
        unknown_model,
        too_long,
        ask,
        retry,
        real_stream,
        call,
        streamed_call,
        answered_call,
        text,
        streamed_text,
        delete,
    )
}


def main() -> None:
    try:
        result = SCENARIOS[SCENARIO]()
    except openai.APIStatusError as error:
        result = {
            "class": type(error).__name__,
            "status": error.status_code,
            "code": error.code,
            "param": error.param,
            "type": error.type,
            "message": error.message,
        }
    json.dump(result, sys.stdout)


main()
