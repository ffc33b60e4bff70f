"""Every measurement as a line of JSON, written as soon as it is made: a run can be taken up again.

What failed is written down as well, and a run that is taken up again tries it again.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.figures import Figures

Mix = Literal["eight", "one", "none", "first", "power law", "fresh", "contamination"]


class Key(BaseModel):
    """What was measured. Rounds repeat it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: str
    server: str
    setting: str  # of the server
    mix: Mix  # what it was asked
    streams: int


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Key
    round: int
    figures: Figures = {}
    details: dict[str, Any] = {}
    error: str | None = None
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))


class Journal:
    """A file of records."""

    def __init__(self, path: Path) -> None:
        """Reads what is there already. Raises ValueError where it is no journal."""
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        self.records = [Record.model_validate_json(line) for line in lines]

    def has(self, key: Key, round_number: int) -> bool:
        """Whether it was measured, and not in vain."""
        return any(
            record.key == key and record.round == round_number and record.error is None
            for record in self.records
        )

    def add(self, record: Record) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(record.model_dump_json() + "\n")
        self.records.append(record)

    @property
    def failures(self) -> list[Record]:
        """Those that no later try has made good."""
        failed = {(record.key, record.round): record for record in self.records if record.error}
        return [record for (key, number), record in failed.items() if not self.has(key, number)]
