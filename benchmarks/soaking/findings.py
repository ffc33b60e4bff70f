"""What a soak has shown, what it had to show, and the page that says so."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from benchmarks.bar import Bar, bars_table
from benchmarks.markdown import describe_provenance, number, table
from benchmarks.provenance import describe

from .question import Outcome
from .traffic import Tally
from .watch import Sample, course

MIB = 1 << 20
MOST_CHANGE = 5.0  # [percent] of memory
MOST_FILES = 4  # more at the end than after warm-up
NEVER = (Outcome.WRONG, Outcome.FAILED, Outcome.REFUSED, Outcome.BROKEN)


@dataclass(frozen=True, slots=True)
class Findings:
    seconds: float
    streams: int
    num_questions: int
    tally: Tally
    num_changes: int  # of what is in service
    faulty_changes: Sequence[str]
    samples: Sequence[Sample]
    num_held: int  # requests and KV blocks, when all was over
    num_tracebacks: int  # in the server's log

    @property
    def bars(self) -> list[Bar]:
        never = [(outcome.value, self.tally.outcomes[outcome]) for outcome in NEVER]
        counts = [
            *never,
            ("changes of adapters that failed", len(self.faulty_changes)),
            ("requests and KV blocks held in the end", self.num_held),
            ("tracebacks in the server's log", self.num_tracebacks),
        ]
        memory = course(self.samples, lambda sample: sample.memory)
        files = course(self.samples, lambda sample: sample.num_files)
        return [
            *(Bar(name, 0, count, is_most=True, unit="") for name, count in counts),
            Bar(
                "memory, last tenth against second",
                MOST_CHANGE,
                memory and 100 * memory.change,
                is_most=True,
                unit=" %",
            ),
            Bar(
                "file descriptors, more in the last tenth than in the second",
                MOST_FILES,
                files and files.growth,
                is_most=True,
                unit="",
            ),
        ]

    @property
    def is_passed(self) -> bool:
        has_answers = self.tally.outcomes[Outcome.RIGHT] > 0
        return has_answers and all(bar.is_passed is not False for bar in self.bars)


def write(path: Path, findings: Findings, command: str) -> Path:
    """FILE.md, which is returned, and FILE.json."""
    provenance = describe(date.today(), command)
    parts = [
        f"# At full load for {findings.seconds / 60:.1f} minutes, {provenance.day}",
        *describe_provenance(provenance),
        f"{findings.streams} streams at once, each asking the next of {findings.num_questions} "
        "questions when its last one is answered, of the base, adapters, versions and blends; "
        "meanwhile adapters come and go every second. Every answer is compared with the one that "
        "the server gave when it was alone, on prompts whose answers do not hang on rounding.",
        bars_table(findings.bars),
        table(("what", "count"), _counts(findings)),
        table(("what the process held", "second tenth", "last tenth", "most"), _held(findings)),
        *_faults(findings),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    page = path.with_name(f"{path.name}.md")
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    record = {**asdict(provenance), "passed": findings.is_passed, **asdict(findings)}
    path.with_name(f"{path.name}.json").write_text(
        json.dumps(record, ensure_ascii=False, indent=1, default=str) + "\n", encoding="utf-8"
    )
    return page


def _counts(findings: Findings) -> list[list[str]]:
    tally = findings.tally
    counts = {
        "tokens": tally.num_tokens,
        **{outcome.value: tally.outcomes[outcome] for outcome in Outcome},
        **{f"right answers of {model}": count for model, count in sorted(tally.models.items())},
        "adapters dropped in, removed, loaded, unloaded": findings.num_changes,
    }
    rates = [["tokens a second", number(tally.num_tokens / findings.seconds)]]
    return [*rates, *([name, f"{count:,}"] for name, count in counts.items())]


def _held(findings: Findings) -> list[list[str]]:
    figures: dict[str, Callable[[Sample], float]] = {
        "MiB of memory": lambda sample: sample.memory / MIB,
        "file descriptors": lambda sample: sample.num_files,
        "threads": lambda sample: sample.num_threads,
    }
    rows: list[list[str]] = []
    for name, figure in figures.items():
        found = course(findings.samples, figure)
        values = (found.early, found.late, found.most) if found else (None, None, None)
        rows.append([name, *map(number, values)])
    return rows


def _faults(findings: Findings) -> list[str]:
    faults = [*findings.tally.faults, *findings.faulty_changes[:10]]
    if not faults:
        return []
    return ["## What went wrong", "\n".join(f"- {' '.join(fault.split())}" for fault in faults)]
