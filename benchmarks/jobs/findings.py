"""What a sitting has found, as a page and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bar import Bar, bars_table
from benchmarks.markdown import describe_provenance, number, table
from benchmarks.provenance import describe
from benchmarks.soaking.question import Outcome
from benchmarks.soaking.traffic import Tally
from service.bench.measurement import Spread

from .queue import JobSeen

MOST_SLOWER = 2.0  # times the 95th percentile between two pieces, without a job
MOST_WAITING = 1.0  # [seconds] from `succeeded` to the first token


@dataclass(frozen=True, slots=True)
class Side:
    """What those who ask have seen."""

    seconds: float
    gaps: Spread
    tally: Tally

    @property
    def rate(self) -> float:
        """Pieces of text a second."""
        return self.tally.num_tokens / self.seconds

    @property
    def num_faulty(self) -> dict[str, int]:
        wrong = (Outcome.WRONG, Outcome.REFUSED, Outcome.FAILED, Outcome.BROKEN)
        return {str(outcome): self.tally.outcomes[outcome] for outcome in wrong}


@dataclass(frozen=True, slots=True)
class Findings:
    streams: int
    pause: float  # [seconds] at most
    num_questions: int
    alone: Side
    beside: Side
    jobs: Sequence[JobSeen]

    @property
    def bars(self) -> list[Bar]:
        waiting = [job.first_token for job in self.jobs if job.first_token is not None]
        failed = sum(job.status != "succeeded" for job in self.jobs)
        faults = [
            Bar(name, 0, count, is_most=True, unit="")
            for name, count in self.beside.num_faulty.items()
        ]
        return [
            *faults,
            Bar("jobs that have not succeeded", 0, failed, is_most=True, unit=""),
            Bar(
                "between two pieces, p95, times that without a job",
                MOST_SLOWER,
                self.beside.gaps.p95 / self.alone.gaps.p95,
                is_most=True,
            ),
            Bar(
                "from `succeeded` to the first token, longest",
                MOST_WAITING,
                max(waiting, default=None),
                is_most=True,
                unit=" s",
            ),
        ]

    @property
    def is_passed(self) -> bool:
        return all(bar.is_passed for bar in self.bars)


def write(path: Path, found: Findings, command: str) -> Path:
    """Write FILE.json and FILE.md; returns the latter."""
    provenance = describe(date.today(), command)
    whole: dict[str, Any] = {
        "provenance": asdict(provenance),
        "found": asdict(found),
        "bars": [asdict(bar) for bar in found.bars],
        "passed": found.is_passed,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(whole, ensure_ascii=False, indent=1, default=str)
    path.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    page = [
        "# Fine-tuning jobs beside a server at work",
        f"{len(found.jobs)} jobs of ten rows and one epoch, queued by two keys; meanwhile "
        f"{found.streams} streams ask {found.num_questions} questions over and over, "
        f"{number(found.pause, 0)} seconds at most after their last answer; the greedy answers are "
        "known from the server alone.",
        *describe_provenance(provenance),
        bars_table(found.bars),
        _sides(found),
        _jobs(found.jobs),
        *(f"- {fault}" for fault in found.beside.tally.faults),
        *(f"- a job failed: {job.error}" for job in found.jobs if job.error),
    ]
    path.with_suffix(".md").write_text("\n\n".join(page) + "\n", encoding="utf-8")
    return path.with_suffix(".md")


def _sides(found: Findings) -> str:
    sides = found.alone, found.beside
    rows = [
        ["between two pieces, p50 [ms]", *(number(side.gaps.p50) for side in sides)],
        ["between two pieces, p95 [ms]", *(number(side.gaps.p95) for side in sides)],
        ["between two pieces, longest [ms]", *(number(side.gaps.max) for side in sides)],
        ["pieces a second", *(number(side.rate) for side in sides)],
        ["right answers", *(number(side.tally.outcomes[Outcome.RIGHT], 0) for side in sides)],
        ["seconds", *(number(side.seconds, 0) for side in sides)],
    ]
    return table(["the server", "without a job", "while jobs run"], rows)


def _jobs(jobs: Sequence[JobSeen]) -> str:
    times = {
        "a job, from its start to `succeeded`": [job.seconds for job in jobs],
        "from `succeeded` to the first token": [job.first_token for job in jobs],
    }
    rows: list[list[str]] = []
    for name, values in times.items():
        known = [value for value in values if value is not None]
        middle = median(known) if known else None
        rows.append([name, number(middle, 2), number(max(known, default=None), 2)])
    return table(["jobs", "median [s]", "longest [s]"], rows)
