"""One question put to a server over HTTP: whole, streamed, or left in the middle."""

import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from service.client.stream import DONE, EventParser

from .question import Outcome, Question

PATH = "/v1/chat/completions"
# A server at full load lets a request wait its turn, but not for so long. [seconds]
TIMEOUT = httpx.Timeout(300, connect=30)


@dataclass(frozen=True, slots=True)
class Reply:
    outcome: Outcome
    shown: str = ""  # what came, where that is not right
    num_tokens: int = 0  # of the answer, as the server counts or as its chunks came
    times: Sequence[float] = ()  # [seconds] when the pieces of a stream came


class _StreamFailed(Exception):
    """An event that is an error, or a stream without an end."""


@dataclass(slots=True)
class _Collected:
    texts: list[str] = field(default_factory=list[str])
    times: list[float] = field(default_factory=list[float])
    is_complete: bool = False

    @property
    def text(self) -> str:
        return "".join(self.texts)


def body_of(model: str, prompt: str, num_tokens: int, **fields: Any) -> dict[str, Any]:
    return {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "temperature": 0,
        "ignore_eos": True,
        "max_tokens": num_tokens,
        **fields,
    }


async def ask_whole(client: httpx.AsyncClient, question: Question) -> Reply:
    try:
        response = await client.post(PATH, json=_body(question))
    except httpx.HTTPError as error:
        return Reply(Outcome.BROKEN, repr(error))
    if response.is_error:
        return _refusal(question, response)
    text: str = response.json()["choices"][0]["message"]["content"]
    return _judged(question.judge(text), text, question.num_tokens)


async def ask_streamed(
    client: httpx.AsyncClient, question: Question, leave_after: int | None = None
) -> Reply:
    """Ask for a stream; with `leave_after`, hang up once so many pieces of text have come."""
    collected = _Collected()
    try:
        async with client.stream("POST", PATH, json=_body(question, stream=True)) as response:
            if response.is_error:
                await response.aread()
                return _refusal(question, response)
            async with aclosing(_pieces(response, collected)) as pieces:
                async for piece in pieces:
                    collected.texts.append(piece)
                    collected.times.append(time.perf_counter())
                    if len(collected.texts) == leave_after:
                        break
    except (httpx.HTTPError, _StreamFailed) as error:
        return Reply(Outcome.BROKEN, repr(error))
    judge = question.judge if collected.is_complete else question.judge_beginning
    judged = _judged(judge(collected.text), collected.text, len(collected.texts))
    return replace(judged, times=collected.times)


def _body(question: Question, **fields: Any) -> dict[str, Any]:
    return body_of(question.model, question.prompt, question.num_tokens, **fields)


async def _pieces(response: httpx.Response, collected: _Collected) -> AsyncGenerator[str]:
    parser = EventParser()
    async for received in response.aiter_bytes():
        for data in parser.feed(received):
            if data == DONE:
                collected.is_complete = True
            elif piece := _text_of(data):
                yield piece
    if not collected.is_complete:
        raise _StreamFailed("The stream had no end.")


def _text_of(data: str) -> str:
    event = json.loads(data)
    if "error" in event:
        raise _StreamFailed(data)
    return "".join(choice["delta"].get("content") or "" for choice in event["choices"])


def _refusal(question: Question, response: httpx.Response) -> Reply:
    try:
        code = response.json()["error"]["code"]
    except (ValueError, KeyError, TypeError):  # not OpenAI's shape: unexpected, then
        code = None
    outcome = question.judge_refusal(response.status_code, code)
    return Reply(outcome, f"{response.status_code}: {response.text}")


def _judged(outcome: Outcome, text: str, num_tokens: int) -> Reply:
    return Reply(outcome, text if outcome is Outcome.WRONG else "", num_tokens)
