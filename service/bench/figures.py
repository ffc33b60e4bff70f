"""What a load has shown, as tables for a person and as JSON for a program."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from .load import Load
from .measurement import Measurement, Spread

LOAD_FIELDS = (
    "num_requests",
    "concurrency",
    "rate",
    "prompt_tokens",
    "output_tokens",
    "shared_prefix_tokens",
    "seed",
)
UNKNOWN = "–"

Figures = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Sitting:
    """A load, and what it has shown."""

    load: Load
    measurement: Measurement

    @property
    def figures(self) -> Figures:
        """The numbers that can be compared with those of another sitting."""
        measurement = self.measurement
        return {
            "wall_seconds": measurement.wall_seconds,
            "output_tokens_per_second": measurement.output_tokens_per_second,
            "requests_per_second": measurement.requests_per_second,
            **_times("first_token", measurement.first_token),
            **_times("between_tokens", measurement.between_tokens),
            "mean_prompt_tokens": measurement.mean_prompt_tokens,
            "mean_output_tokens": measurement.mean_output_tokens,
            "mean_cached_tokens": measurement.mean_cached_tokens,
        }


def as_json(sittings: Sequence[Sitting]) -> dict[str, Any]:
    """The first sitting is ours; a second one is the baseline's."""
    ours, *others = sittings
    return {
        "load": _describe_load(ours.load),
        "server": _describe(ours),
        "baseline": _describe(others[0]) if others else None,
        "ratios": _ratios(ours, others[0]) if others else None,
    }


def print_tables(sittings: Sequence[Sitting], console: Console) -> None:
    """The numbers of all, then what each one's targets and failures are."""
    console.print(_comparison(sittings))
    for sitting in sittings:
        console.print()
        console.print(_targets(sitting))
        for note in _notes(sitting):
            console.print(Text(note), soft_wrap=True)


def _times(name: str, spread: Spread | None) -> Figures:
    times = asdict(spread) if spread else dict.fromkeys(("p50", "p95", "p99", "max"))
    return {f"{name}_{share}_ms": value for share, value in times.items()}


def _describe_load(load: Load) -> dict[str, Any]:
    fields = {name: getattr(load, name) for name in LOAD_FIELDS}
    return fields if load.rate is None else fields | {"concurrency": None}  # it had no say


def _describe(sitting: Sitting) -> dict[str, Any]:
    measurement = sitting.measurement
    return {
        "url": sitting.load.url,
        "num_done": len(measurement.answers),
        "num_failed": len(measurement.failures),
        "output_tokens": measurement.output_tokens,
        "has_exact_counts": measurement.has_exact_counts,
        **sitting.figures,
        "models": [asdict(row) for row in measurement.rows],
        "errors": [asdict(fault) for fault in measurement.faults],
    }


def _ratios(ours: Sitting, theirs: Sitting) -> Figures:
    """Ours divided by theirs, where both are known."""
    pairs = zip(ours.figures.items(), theirs.figures.values(), strict=True)
    return {name: mine / other if mine and other else None for (name, mine), other in pairs}


def _comparison(sittings: Sequence[Sitting]) -> Table:
    ours, *others = sittings
    urls = [Column(sitting.load.url, justify="right", overflow="fold") for sitting in sittings]
    ratio = [Column("ratio", justify="right")] if others else []
    ratios = _ratios(ours, others[0]) if others else {}
    table = Table(Column(no_wrap=True), *urls, *ratio, box=None, pad_edge=False)
    table.add_row("requests done", *(_done(sitting) for sitting in sittings))
    for name in ours.figures:
        cells = [_number(sitting.figures[name]) for sitting in sittings]
        compared = [_number(ratios[name], 2)] if others else []
        table.add_row(name.replace("_", " "), *cells, *compared)
    return table


def _done(sitting: Sitting) -> str:
    return f"{len(sitting.measurement.answers)} of {sitting.load.num_requests}"


def _targets(sitting: Sitting) -> Table:
    """A fair server treats all alike."""
    names = ("done", "failed", "output tokens", "first token p95 ms")
    columns = [Column(name, justify="right") for name in names]
    table = Table(Column(sitting.load.url, overflow="fold"), *columns, box=None, pad_edge=False)
    for row in sitting.measurement.rows:
        table.add_row(
            Text(row.target),
            str(row.num_done),
            str(row.num_failed),
            str(row.output_tokens),
            _number(row.first_token_p95_ms),
        )
    return table


def _notes(sitting: Sitting) -> Iterator[str]:
    for fault in sitting.measurement.faults:
        yield f"{fault.count} failed: {fault.kind}: {fault.example}"
    if not sitting.measurement.has_exact_counts:
        yield "The server counts no tokens: its chunks with content were counted instead."


def _number(value: float | None, digits: int = 1) -> str:
    return UNKNOWN if value is None else f"{value:,.{digits}f}"
