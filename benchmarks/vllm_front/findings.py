"""What was measured before the stand-in, what it is to be, and its page."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from benchmarks.bar import Bar, bars_table
from benchmarks.markdown import UNKNOWN, describe_provenance, spread, table
from benchmarks.provenance import describe
from benchmarks.summary import Cell

MOST_MS = 3.0  # of a request, more than the stand-in takes
MOST_US = 100.0  # of a token
DIRECT, PASS_THROUGH = "the stand-in itself", "the bare proxy"
OURS_BASE, OURS_ADAPTER = "lora-chat, the base", "lora-chat, an adapter"
OURS = (OURS_BASE, OURS_ADAPTER)
WAYS = (DIRECT, PASS_THROUGH, *OURS)
MS, US = 1e3, 1e6


@dataclass(frozen=True, slots=True)
class Load:
    """How the stand-in sends the tokens of many streams."""

    name: str
    pause: float  # [seconds] from one event of a stream to the next
    piece: int = 1  # [tokens] in an event


# vLLM sends a token in an event, one a step; several where who reads is behind.
PACED = Load("one token every 5 ms", 0.005)
LOADS = (PACED, Load("one token, at once", 0), Load("8 tokens, at once", 0, 8))


@dataclass(frozen=True, slots=True)
class Flow:
    """Many streams at once."""

    num_tokens: int
    seconds: float  # from the first request to the end of the last answer
    cpu_seconds: float | None  # of the process in front; None: there is none


@dataclass(frozen=True, slots=True)
class Measured:
    """One way in one round."""

    way: str
    round: int
    whole: float  # [seconds] of an answer of one token, the median of many
    streamed: float  # the same as a stream
    flows: dict[str, Flow]  # by load


Figure = Callable[[Measured], float | None]


@dataclass(frozen=True, slots=True)
class Findings:
    requests: int  # one at a time, in each round
    streams: int
    output_tokens: int
    beside: str | None  # what else ran on the machine
    measured: Sequence[Measured]

    @property
    def num_rounds(self) -> int:
        return len({each.round for each in self.measured})

    @property
    def bars(self) -> list[Bar]:
        """The dearer one of base and adapter counts."""
        return [
            self._bar("a whole answer of one token, more than without us [ms]", MOST_MS, whole),
            self._bar("a streamed one, more than without us [ms]", MOST_MS, streamed),
            *(
                self._bar(f"CPU time a token: {load.name} [µs]", MOST_US, cpu_of(load.name))
                for load in LOADS
            ),
            self._bar(f"time a token: {LOADS[1].name} [µs]", MOST_US, wall_of(LOADS[1].name)),
        ]

    def cell(self, way: str, figure: Figure, less: str | None = None) -> Cell | None:
        """A figure of one way in all rounds; what it is more than another's in the same round."""
        others = {each.round: figure(each) for each in self.measured if each.way == less}
        found = {
            each.round: value - (others.get(each.round) or 0)
            for each in self.measured
            if each.way == way and (value := figure(each)) is not None
        }
        return Cell(found) if found else None

    def _bar(self, name: str, limit: float, figure: Figure) -> Bar:
        less = DIRECT if limit == MOST_MS else None
        cells = [self.cell(way, figure, less) for way in OURS]
        value = max(cell.median for cell in cells if cell is not None)
        return Bar(name, limit, value, is_most=True, unit="")


def whole(measured: Measured) -> float:
    return measured.whole * MS


def streamed(measured: Measured) -> float:
    return measured.streamed * MS


def cpu_of(load: str) -> Figure:
    def figure(measured: Measured) -> float | None:
        flow = measured.flows[load]
        return None if flow.cpu_seconds is None else flow.cpu_seconds / flow.num_tokens * US

    return figure


def wall_of(load: str) -> Figure:
    return lambda measured: measured.flows[load].seconds / measured.flows[load].num_tokens * US


def write(path: Path, findings: Findings, command: str) -> Path:
    """FILE.json and FILE.md; returns the page."""
    provenance = describe(date.today(), command)
    path.parent.mkdir(parents=True, exist_ok=True)
    page = path.with_name(f"{path.name}.md")
    beside = findings.beside or UNKNOWN
    parts = [
        f"# What the service costs before a vLLM server, {provenance.day}",
        *describe_provenance(provenance),
        f"What else ran on the machine: {beside}.",
        _method(findings),
        bars_table(findings.bars),
        "## A request\n\nOne token, one request at a time on a kept connection [ms]; in the last "
        "two columns what it is more than the stand-in's.\n\n" + _requests(findings),
        "## A token\n\nOf all streams together [µs].\n\n" + _tokens(findings),
    ]
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    bars = {bar.name: bar.value for bar in findings.bars}
    record = {**asdict(provenance), "bars": bars, **asdict(findings)}
    path.with_name(f"{path.name}.json").write_text(
        json.dumps(record, ensure_ascii=False, indent=1, default=str) + "\n", encoding="utf-8"
    )
    return page


def _method(findings: Findings) -> str:
    return (
        "A stand-in for vLLM answers at once. Before it `lora-chat serve` and a bare proxy "
        "(starlette and httpx, the same settings of uvicorn), which hands on bytes, both on one "
        "core; client and stand-in have the others. All take the same chat completions. "
        f"Medians of {findings.num_rounds} rounds in turn, after one to warm up, with the least "
        f"and the most; in each {findings.requests} requests one at a time and as many streamed, "
        f"then {findings.streams} streams at once of {findings.output_tokens} tokens each, as the "
        "stand-in sends them: an event with one token every 5 ms for each stream, as vLLM does; "
        "events as fast as they are taken, with one token and with eight."
    )


def _requests(findings: Findings) -> str:
    def row(way: str) -> list[str]:
        cells: Iterable[Cell | None] = (
            findings.cell(way, whole),
            findings.cell(way, streamed),
            findings.cell(way, whole, DIRECT),
            findings.cell(way, streamed, DIRECT),
        )
        return [way, *(spread(cell, 2) for cell in cells)]

    return table(("asked", "whole", "streamed", "whole, more", "streamed, more"), map(row, WAYS))


def _tokens(findings: Findings) -> str:
    def row(way: str) -> list[str]:
        figures = [kind(load.name) for load in LOADS for kind in (cpu_of, wall_of)]
        return [way, *(spread(findings.cell(way, figure)) for figure in figures)]

    heads = [f"{load.name}: {kind}" for load in LOADS for kind in ("CPU", "time")]
    return table(("asked", *heads), map(row, WAYS))
