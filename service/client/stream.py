"""A streamed answer as a client reads it: server-sent events, and OpenAI's chunks in them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, ValidationError

DONE = "[DONE]"
FIELDS = (b"data", b"error")  # llama-server has sent its errors in a field of their own
MAX_SHOWN = 200  # [characters] of what a server said


class StreamBroken(Exception):
    """An answer that did not come to its end. `kind` is for counting."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


class EventParser:
    """Puts events together from bytes, wherever the network has cut them.

    Lines end as the standard says. `str.splitlines`, and so httpx's `iter_lines`, would also cut
    at U+2028 and others, which JSON may hold as they are.
    """

    def __init__(self) -> None:
        self._rest = b""  # of a line that has not ended
        self._data: list[bytes] = []  # of an event that has not ended

    def feed(self, received: bytes) -> list[str]:
        """The data of the events that are complete now."""
        lines = (self._rest + received).splitlines(keepends=True)
        self._rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        return [data for line in lines if (data := self._take(line.rstrip(b"\r\n")))]

    def end(self) -> list[str]:
        """The data of an event whose empty line never came."""
        return self.feed(b"\n\n")

    def _take(self, line: bytes) -> str:
        if not line:
            data, self._data = b"\n".join(self._data), []
            return data.decode(errors="replace")
        name, _, value = line.partition(b":")
        if name in FIELDS:
            self._data.append(value.removeprefix(b" "))
        return ""


class _Part(BaseModel):
    """Servers differ: what is known is read, the rest is let be."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class StreamedText(_Part):
    content: str | None = None
    reasoning_content: str | None = None  # where a server keeps thoughts apart
    reasoning: str | None = None


class StreamChoice(_Part):
    delta: StreamedText = StreamedText()
    finish_reason: str | None = None


class TokenDetails(_Part):
    cached_tokens: int | None = None


class TokenCounts(_Part):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: TokenDetails | None = None

    @property
    def cached_tokens(self) -> int | None:
        return self.prompt_tokens_details.cached_tokens if self.prompt_tokens_details else None


class StreamError(_Part):
    message: str = ""
    type: str | None = None


class StreamEvent(_Part):
    choices: list[StreamChoice] = []
    usage: TokenCounts | None = None
    error: StreamError | str | None = None

    @property
    def has_content(self) -> bool:
        deltas = [choice.delta for choice in self.choices]
        return any(delta.content or delta.reasoning_content or delta.reasoning for delta in deltas)

    @property
    def is_finish(self) -> bool:
        """The answer is complete; its usage may still follow."""
        return any(choice.finish_reason for choice in self.choices)


@dataclass(slots=True)
class Reading:
    """What of an answer has come so far. Its methods raise StreamBroken."""

    token_times: list[float] = field(default_factory=list[float])  # [seconds] of content's chunks
    counts: TokenCounts | None = None  # where the server tells
    _parser: EventParser = field(default_factory=EventParser)
    _is_complete: bool = False

    def take(self, received: bytes, now: float) -> None:
        self._take_events(self._parser.feed(received), now)

    def end(self, now: float) -> None:
        self._take_events(self._parser.end(), now)
        if not self._is_complete:
            raise StreamBroken("cut off", "The stream had neither a finish_reason nor [DONE].")

    def _take_events(self, events: Iterable[str], now: float) -> None:
        for data in events:
            if data == DONE:
                self._is_complete = True
            else:
                self._take_event(_parse(data), now)

    def _take_event(self, event: StreamEvent, now: float) -> None:
        if event.error is not None:
            kind = event.error.type if isinstance(event.error, StreamError) else None
            raise StreamBroken(f"in the stream: {kind or 'error'}", _describe(event.error))
        if event.has_content:
            self.token_times.append(now)
        self.counts = event.usage or self.counts
        self._is_complete = self._is_complete or event.is_finish


def error_message(body: str) -> str:
    """What the body of an error says, or its beginning where it is not OpenAI's."""
    try:
        return _describe(StreamEvent.model_validate_json(body).error or body)
    except ValidationError:
        return _describe(body)


def _parse(data: str) -> StreamEvent:
    try:
        return StreamEvent.model_validate_json(data)
    except ValidationError as error:
        raise StreamBroken("unreadable", f"This is no chunk of a chat: {data[:60]}") from error


def _describe(error: StreamError | str) -> str:
    text = error if isinstance(error, str) else error.message
    return " ".join(text.split())[:MAX_SHOWN]
