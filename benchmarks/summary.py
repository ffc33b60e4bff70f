"""What the rounds have shown together: the middle of each figure, and how far it reaches."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Generic

from .journal import AnyRecord, Key, KeyT, Mix

TOKENS_PER_SECOND = "output_tokens_per_second"


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure's values by round."""

    rounds: dict[int, float]

    @property
    def median(self) -> float:
        return median(self.rounds.values())

    @property
    def low(self) -> float:
        return min(self.rounds.values())

    @property
    def high(self) -> float:
        return max(self.rounds.values())


class Rounds(Generic[KeyT]):
    def __init__(self, records: Iterable[AnyRecord[KeyT]]) -> None:
        """Failures count for nothing; of two measurements of the same the later one counts."""
        self._records: dict[KeyT, dict[int, AnyRecord[KeyT]]] = {}
        for record in records:
            if record.error is None:
                self._records.setdefault(record.key, {})[record.round] = record

    @property
    def num_rounds(self) -> int:
        return max(map(len, self._records.values()), default=0)

    def __iter__(self) -> Iterator[KeyT]:
        """Keys, as they were measured first."""
        return iter(self._records)

    def records(self, key: KeyT) -> list[AnyRecord[KeyT]]:
        return list(self._records.get(key, {}).values())

    def cell(self, key: KeyT, figure: str) -> Cell | None:
        """None where no round has it."""
        found = {
            number: value
            for number, record in self._records.get(key, {}).items()
            if (value := record.figures.get(figure)) is not None
        }
        return Cell(found) if found else None

    def best(self, keys: Iterable[KeyT], figure: str) -> float | None:
        """The highest median of several settings."""
        cells = [cell for key in keys if (cell := self.cell(key, figure)) is not None]
        return max((cell.median for cell in cells), default=None)


class Summary(Rounds[Key]):
    """The rounds in which servers were measured."""

    def keys(self, *parts: str) -> list[Key]:
        """The keys in the order of the parts, then as they were measured first."""
        return [key for part in parts for key in self if key.part == part]

    def find(self, server: str, mix: Mix, streams: int | None = None) -> list[Key]:
        """What was measured of a server whose name begins so."""
        return [
            key
            for key in self
            if key.server.startswith(server) and key.mix == mix and streams in (None, key.streams)
        ]
