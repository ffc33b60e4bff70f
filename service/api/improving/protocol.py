"""The shapes of an adapter's improvement and of the ledger."""

from dataclasses import asdict
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from data.retelling import retell
from service.http.fields import Fields, Text
from service.improving.ledger import What, Written


class Improving(Fields):
    model_config = ConfigDict(extra="forbid")

    # [%] of the requests that what is better answers at first; None: as the server has it.
    share: Annotated[int, Field(ge=1, lt=100, strict=True)] | None = None
    override: Annotated[Text, Field(min_length=1, max_length=4000)] | None = None  # why
    version: Text | None = None  # that is meant by it; None: the newest candidate, whichever it is


class ImprovementState(BaseModel):
    object: Literal["improvement"] = "improvement"
    adapter: str
    running: bool
    job: str | None  # its training, while that goes on
    accepted: int  # items that no version was trained on or measured with
    said: str  # the end of what the last one has said


class LedgerEntry(BaseModel):
    object: Literal["ledger.entry"] = "ledger.entry"
    number: int
    created_at: int
    adapter: str
    what: What
    who: str  # a key's id, or "ratings"; "": nobody's key
    before: str | None  # name@number that was promoted
    after: str | None
    round: int | None
    told: dict[str, Any]  # reasons in words, numbers, hashes
    sha256: str  # of all this and of the entry before

    @classmethod
    def of(cls, entry: Written) -> Self:
        told = asdict(entry)
        told["created_at"] = entry.created
        if entry.what != "override" and (reasons := entry.told.get("reasons")):  # not a person's
            told["told"] = {**entry.told, "reasons": [*map(retell, reasons)]}
        return cls(**{name: told[name] for name in cls.model_fields if name != "object"})


class LedgerPage(BaseModel):
    object: Literal["list"] = "list"
    data: list[LedgerEntry]  # the newest first
