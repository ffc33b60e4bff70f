"""Ways of training that are to be measured, and the journal of what came of them."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from benchmarks.journal import AnyJournal, AnyRecord

from .report import Case
from .workloads import Speed, Workload

SECONDS, FITS = "case_seconds", "fits_memory"  # details of a record
ONLY = 0  # round


class Key(BaseModel):
    """One way of training on one workload of one base."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: str
    workload: str
    micro_batch: int | None  # [rows] of plain PEFT; None: ours, packed
    checkpointing: bool

    def is_like(self, other: "Key") -> bool:
        """Whether it may be expected to take as long."""
        is_ours = self.micro_batch is None, other.micro_batch is None
        return (self.base, self.workload) == (other.base, other.workload) and len({*is_ours}) == 1


Record = AnyRecord[Key]


class Journal(AnyJournal[Key]):
    """A file of records of trainings."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, Record)

    def missing(self, keys: Sequence[Key]) -> list[Key]:
        return [key for key in keys if not self.has(key, ONLY)]

    def expected(self, key: Key) -> float:
        """The most [seconds] that one like it has taken; 0 where there was none."""
        found = (r.details[SECONDS] for r in self.records if r.key.is_like(key))
        return max(found, default=0.0)

    def keep(self, key: Key, case: Case, seconds: float) -> None:
        speed = case.speed
        figures = {**asdict(speed), "share": case.share} if speed is not None else {}
        details = {SECONDS: seconds, FITS: speed is not None}
        self.add(Record(key=key, round=ONLY, figures=figures, details=details))

    def case(self, key: Key) -> Case:
        """What is known of it."""
        named = key.workload, key.micro_batch, key.checkpointing
        for record in self.records:
            if record.key == key:
                figures = dict(record.figures)
                share = figures.pop("share", None)
                speed = Speed.of(figures) if record.details[FITS] else None
                return Case(*named, speed, share)
        return Case(*named, None, is_measured=False)


def our_keys(base: str, workloads: Sequence[Workload]) -> Iterator[Key]:
    for workload in workloads:
        for way in (True, False):
            yield Key(base=base, workload=workload.name, micro_batch=None, checkpointing=way)


def peft_keys(
    base: str, workloads: Sequence[Workload], micro_batches: Sequence[int]
) -> Iterator[Key]:
    for workload in workloads:
        for way in (True, False):
            for rows in (each for each in micro_batches if each <= workload.batch):
                yield Key(base=base, workload=workload.name, micro_batch=rows, checkpointing=way)
