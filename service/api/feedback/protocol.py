"""The shapes of feedback: no other server has any that clients know."""

from dataclasses import asdict
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from service.api.protocol import Listed, Page
from service.feedback.answers import storable
from service.feedback.faults import Fault, personal_in
from service.feedback.findings import Found
from service.feedback.item import State
from service.feedback.review import Decision
from service.http.fields import Fields, Text

MAX_REASONS = 16
MAX_SIBLINGS = 128


def _storable(text: str) -> str:
    if not storable(text):
        raise PydanticCustomError("null_character", "should not hold the character 0")
    return text


Said = Annotated[Text, AfterValidator(_storable)]
Reason = Annotated[Text, Field(min_length=1, max_length=64)]
Sibling = Annotated[Text, Field(max_length=64)]


class OpinionFields(Fields):
    model_config = ConfigDict(extra="forbid")  # what is misspelt would be lost

    rating: Annotated[int, Field(ge=-1, le=1)] | None = None  # -1: bad, 1: good
    correction: Annotated[Said, Field(min_length=1)] | None = None  # the whole answer
    reasons: list[Reason] = Field(default=[], max_length=MAX_REASONS)
    note: Annotated[Said, Field(max_length=4000)] | None = None
    critical: bool = False  # the answer must never be given again
    siblings: list[Sibling] = Field(default=[], max_length=MAX_SIBLINGS)


class NewFeedback(OpinionFields):
    completion_id: Text  # of a stored completion
    choice: int = Field(default=0, ge=0)


class ReviewFields(Fields):
    model_config = ConfigDict(extra="forbid")

    decision: Decision
    answer: Annotated[Said, Field(min_length=1)] | None = None  # in place of the correction
    critical: bool | None = None  # None: as it is


class FeedbackAnswer(Listed):
    object: Literal["feedback"] = "feedback"
    created_at: int
    updated_at: int
    state: State
    completion_id: str
    choice: int
    model: str
    system_fingerprint: str  # the exact versions that answered
    base: str
    user: str | None
    messages: list[dict[str, Any]]  # what was asked
    answer: dict[str, Any]  # the message that was answered, and why it ended
    rating: int | None
    correction: str | None
    reasons: list[str]
    note: str | None
    critical: bool
    siblings: list[str]
    edited: str | None  # the right answer in the reviewer's words
    reviewed_at: int | None
    version: str | None  # that was trained on it and is, or was, promoted
    faults: list[Fault]  # of the answer, found by rule
    contradicts: list[str]  # ids of what was accepted and says otherwise to the same question
    personal: list[str]  # kinds of personal data in what would be trained on

    @classmethod
    def of(cls, found: Found) -> Self:
        item = found.item
        told: dict[str, Any] = asdict(item)
        told["created_at"], told["updated_at"] = item.created, item.updated
        told["reviewed_at"] = item.reviewed
        told["system_fingerprint"] = item.pinned
        told["contradicts"], told["faults"] = [*found.contradicts], [*found.faults]
        told["personal"] = personal_in(item)
        return cls(**{name: told[name] for name in cls.model_fields if name != "object"})


class FeedbackList(Page[FeedbackAnswer]):
    pass


class FeedbackRemoved(BaseModel):
    id: str
    object: Literal["feedback"] = "feedback"
    deleted: Literal[True] = True
