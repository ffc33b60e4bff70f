"""Every measurement as a line of JSON, written as soon as it is made: a run can be taken up again.

What failed is written down as well, and a run that is taken up again tries it again.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from service.bench.figures import Figures

Mix = Literal["eight", "two", "one", "none", "first", "power law", "fresh", "contamination"]


class Key(BaseModel):
    """What was measured. Rounds repeat it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: str
    server: str
    setting: str  # of the server
    mix: Mix  # what it was asked
    streams: int


KeyT = TypeVar("KeyT", bound=BaseModel)


class AnyRecord(BaseModel, Generic[KeyT]):
    model_config = ConfigDict(frozen=True, extra="forbid")

    key: KeyT
    round: int
    figures: Figures = {}
    details: dict[str, Any] = {}
    error: str | None = None
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))


Record = AnyRecord[Key]


class AnyJournal(Generic[KeyT]):
    """A file of records."""

    def __init__(self, path: Path, kind: type[AnyRecord[KeyT]]) -> None:
        """Reads what is there already. Raises ValueError where it is no journal."""
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        self.records = [kind.model_validate_json(line) for line in lines]

    def has(self, key: KeyT, round_number: int) -> bool:
        """Whether it was measured, and not in vain."""
        return any(
            record.key == key and record.round == round_number and record.error is None
            for record in self.records
        )

    def add(self, record: AnyRecord[KeyT]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(record.model_dump_json() + "\n")
        self.records.append(record)

    @property
    def failures(self) -> list[AnyRecord[KeyT]]:
        """Those that no later try has made good."""
        failed = {(record.key, record.round): record for record in self.records if record.error}
        return [record for (key, number), record in failed.items() if not self.has(key, number)]


class Journal(AnyJournal[Key]):
    """A file of records of servers."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, Record)
