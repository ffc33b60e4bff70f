"""langchain-openai: does one of its scenarios, prints what came as JSON."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from langchain_openai import ChatOpenAI  # pyright: ignore[reportMissingImports]  # in .clients alone
from pydantic import BaseModel

URL, SCENARIO = sys.argv[1:]


class Herb(BaseModel):
    """A herb and how much of it."""

    name: str
    dose: int


def chat(model: str) -> Any:
    return ChatOpenAI(model=model, base_url=URL, api_key=os.environ["CLIENT_KEY"], max_retries=0)


def invoke() -> object:
    answer = chat("中医").invoke([("system", "Be short."), ("human", "Hi")])
    return {"content": answer.content, "tokens": answer.usage_metadata["output_tokens"]}


def pieces() -> None:
    for chunk in chat("base").stream("Hi"):
        sys.stdout.write(chunk.content)
        sys.stdout.flush()
    sys.exit()


def stream() -> object:
    return [chunk.content for chunk in chat("中医").stream("Hi") if chunk.content]


def structured() -> object:
    return chat("base").with_structured_output(Herb).invoke("Hi").model_dump()


def call() -> object:
    return chat("中医").bind_tools([Herb]).invoke("Hi").tool_calls


SCENARIOS: dict[str, Callable[[], object]] = {
    scenario.__name__: scenario for scenario in (invoke, pieces, stream, structured, call)
}

json.dump(SCENARIOS[SCENARIO](), sys.stdout)
