"""What somebody has said of an answer."""

from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["new"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What a person says; nothing of it has to be said."""

    rating: int | None = None  # -1: bad, 0, 1: good
    correction: str | None = None  # the whole answer as it should have been
    reasons: list[str] = field(default_factory=list[str])
    note: str | None = None
    critical: bool = False  # the answer must never be given again
    siblings: list[str] = field(default_factory=list[str])  # passed over for this one, by their ids

    @property
    def is_empty(self) -> bool:
        return self == Opinion()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackItem(Opinion):
    """An opinion with the answer that it is about, which need not be stored any more."""

    id: str
    key_id: str  # whose it is; "": nobody's key's
    place: str  # the home whose versions answered
    created: int  # [Unix seconds]
    updated: int  # [Unix seconds]
    state: State = "new"
    completion_id: str
    choice: int  # the answer's index in the completion
    model: str  # as asked for
    pinned: str  # the exact versions that answered
    base: str
    template: str  # SHA-256 of the chat template, in hex
    user: str | None
    messages: list[dict[str, Any]]  # in OpenAI's shape, the answer left out
    answer: dict[str, Any]  # its message and finish_reason, in OpenAI's shape
    asked: dict[str, Any]
    sampling: dict[str, Any]
