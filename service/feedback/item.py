"""What somebody has said of an answer."""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

from data.likeness import normalized
from finetune.improving.correction import Side

State = Literal["new", "accepted", "edited", "rejected", "in_training", "shipped"]
REVIEWED: tuple[State, ...] = ("accepted", "edited")  # and in no training set yet
USED: tuple[State, ...] = ("in_training", "shipped")


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
    question: str  # a digest of all that was asked
    edited: str | None = None  # the answer as the reviewer has written it
    reviewer: str | None = None  # a key's id; "": nobody's key; None: not reviewed
    reviewed: int | None = None  # [Unix seconds]
    side: Side | None = None  # of the training set; None: in none yet
    version: str | None = None  # name@number that was trained on it, once promoted

    @property
    def written(self) -> str | None:
        """The right answer as somebody has written it."""
        return self.edited or self.correction

    @property
    def right_answer(self) -> str | None:
        """The text to train on; None where nobody has said what would be right."""
        if self.written:
            return self.written
        is_good = self.rating == 1 and not self.critical
        return self.answer["message"].get("content") if is_good else None

    @property
    def is_bad(self) -> bool:
        """Whether the answer is said to be wrong, if only by writing another one."""
        if self.rating is not None:
            return self.rating == -1 or self.critical
        return self.critical or self.correction is not None

    @property
    def is_continuation(self) -> bool:
        """Whether the request was to go on with an answer: no part of it is a whole one."""
        return self.messages[-1]["role"] == "assistant"


def question_of(messages: list[dict[str, Any]]) -> str:
    """The digest by which the same question is known again: case, width, punctuation and space do
    not matter, nor what a system message says."""
    said = [
        f"{each['role']}\0{normalized(each.get('content') or '')}"
        for each in messages
        if each["role"] != "system"
    ]
    return sha256("\0".join(said).encode("utf-8", "surrogatepass")).hexdigest()[:32]
