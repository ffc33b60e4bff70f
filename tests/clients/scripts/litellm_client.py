"""litellm: does one of its scenarios, prints what came as JSON."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import litellm  # pyright: ignore[reportMissingImports]  # in .clients alone
import openai

URL, SCENARIO = sys.argv[1:]

litellm.suppress_debug_info = True  # it goes to stdout


def options(model: str, **more: Any) -> dict[str, Any]:
    """`openai/` says whose API it is."""
    return {
        "model": f"openai/{model}",
        "api_base": URL,
        "api_key": os.environ["CLIENT_KEY"],
        "messages": [{"role": "user", "content": "Hi"}],
        "max_retries": 0,
        **more,
    }


def completion() -> object:
    answer = litellm.completion(**options("中医"))
    return {
        "content": answer.choices[0].message.content,
        "tokens": answer.usage.completion_tokens,
    }


def pieces() -> None:
    for chunk in litellm.completion(**options("base", stream=True)):
        sys.stdout.write(chunk.choices[0].delta.content or "")
        sys.stdout.flush()
    sys.exit()


def stream() -> object:
    async def ask() -> list[str]:
        chunks = await litellm.acompletion(**options("中医", stream=True))
        return [chunk.choices[0].delta.content or "" async for chunk in chunks]

    return asyncio.run(ask())


def ask() -> object:
    return litellm.completion(**options("base")).choices[0].message.content


def wrong_field() -> object:
    return litellm.completion(**options("base", n=999))


def too_long() -> object:
    messages = [{"role": "user", "content": "long " * 5_000}]
    return litellm.completion(**options("base", messages=messages))


def unknown_model() -> object:
    return litellm.completion(**options("nobody"))


SCENARIOS: dict[str, Callable[[], object]] = {
    scenario.__name__: scenario
    for scenario in (completion, pieces, stream, ask, wrong_field, too_long, unknown_model)
}


def main() -> None:
    try:
        result = SCENARIOS[SCENARIO]()
    except openai.APIStatusError as error:  # litellm's errors are subclasses
        result = {"class": type(error).__name__, "status": error.status_code}
    json.dump(result, sys.stdout)


main()
