"""What is known of an HTTP request while it runs: written by whoever learns it, told at its end."""

import re
import time
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import uuid4

SANE = re.compile(rb"[A-Za-z0-9._-]{1,128}")
HEADER = b"x-request-id"


@dataclass(slots=True)
class RequestRecord:
    id: str
    began: float = field(default_factory=time.perf_counter)  # [seconds]
    status: int = 0
    model: str = ""  # the base, an adapter's name, or "blend"; never what a stranger made up
    adapters: tuple[str, ...] = ()  # the exact versions
    prompt_tokens: int = 0  # of all prompts; several answers may share one
    completion_tokens: int = 0
    first_token: float | None = None  # [seconds] after `began`
    outcome: str = ""  # how the answer ended
    prompt: str | None = None  # this and the next where the settings want content logged
    answers: dict[int, list[str]] = field(default_factory=dict[int, list[str]])  # by their index

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began


current_record: ContextVar[RequestRecord | None] = ContextVar("current_record", default=None)


def choose_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The client's x-request-id where it is a plain token, else a new one."""
    for name, value in headers:
        if name == HEADER and SANE.fullmatch(value):
            return value.decode("ascii")
    return f"req-{uuid4().hex}"
