"""What the records of a sitting say together: best settings, comparisons, bars."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

from benchmarks.bar import Bar
from benchmarks.summary import Cell, Rounds

from . import quality, speed, sweep
from .samples import FIXED
from .sitting import RunKey
from .tools import FACTORY, OURS, PEFT, TRL

RESAMPLES = 2000
FASTER, LEANER, NEAR_BEST = 1.5, 0.6, 1.02
Findings = Rounds[RunKey]


@dataclass(frozen=True, slots=True)
class Gain:
    """How much lower our loss is, as a share of another's, over all rows and seeds."""

    value: float
    low: float  # 95 % interval
    high: float


def keys(found: Findings, part: str, tool: str = "", sample: str = "") -> list[RunKey]:
    return [
        key
        for key in found
        if key.part == part and tool in ("", key.tool) and sample in ("", key.sample)
    ]


def samples(found: Findings, part: str) -> list[str]:
    return list(dict.fromkeys(key.sample for key in keys(found, part)))


def fastest(found: Findings, tool: str, sample: str) -> RunKey | None:
    """The one of most tokens a second among a tool's settings; its memory counts as well."""
    rates = {
        key: cell.median
        for key in keys(found, "speed", tool, sample)
        if (cell := found.cell(key, speed.TOKENS)) is not None
    }
    return max(rates, key=lambda key: rates[key], default=None)


def gain(found: Findings, ours: RunKey, other: RunKey) -> Gain | None:
    """How much lower our loss is, by a bootstrap over the held-out rows of all seeds, each with its
    two losses."""
    pairs = [
        pair
        for number in _shared(found, ours, other)
        for pair in _pairs(found, ours, other, number)
    ]
    if not pairs:
        return None
    chooser = random.Random(0)
    gains = sorted(_share(chooser.choices(pairs, k=len(pairs))) for _ in range(RESAMPLES))
    return Gain(_share(pairs), gains[int(0.025 * RESAMPLES)], gains[int(0.975 * RESAMPLES) - 1])


def seconds_to(found: Findings, key: RunKey) -> Cell | None:
    """The seconds until the held-out loss that plain PEFT ends with, seed by seed; None if ever
    missed."""
    peft = keys(found, "quality", PEFT, key.sample)
    reached: dict[int, float] = {}
    for number in _shared(found, key, peft[0]) if peft else ():
        target = _details(found, peft[0], number)["curve"][-1][2]
        curve = _details(found, key, number)["curve"]
        times = [seconds for _, seconds, loss in curve if loss is not None and loss <= target]
        if not times:
            return None
        reached[number] = min(times)
    return Cell(reached) if reached else None


def bars(found: Findings) -> list[Bar]:
    return [*_speed_bars(found), *_memory_bars(found), *_quality_bars(found), *_sweep_bars(found)]


def _speed_bars(found: Findings) -> Iterator[Bar]:
    for sample in samples(found, "speed") or ["every sample"]:
        if sample == FIXED:
            continue
        for tool in (PEFT, TRL):
            value = _ratio(found, tool, sample, speed.TOKENS)
            yield Bar(f"{sample}: tokens/s, times {tool}'s best", FASTER, value)


def _memory_bars(found: Findings) -> Iterator[Bar]:
    for tool in (PEFT, TRL, FACTORY):
        value = _ratio(found, tool, FIXED, speed.PEAK)
        name = f"8 rows of {FIXED}: peak memory, times {tool}'s where it is fastest"
        yield Bar(name, LEANER, value, is_most=True)


def _quality_bars(found: Findings) -> Iterator[Bar]:
    for sample in samples(found, "quality") or ["every sample"]:
        ours = keys(found, "quality", OURS, sample)
        others = [
            key for key in keys(found, "quality", "", sample) if key.tool in (PEFT, TRL, FACTORY)
        ]
        gains = [each for key in others for one in ours if (each := gain(found, one, key))]
        value = max((1 - each.value for each in gains), default=None)
        yield Bar(f"{sample}: held-out loss, times the best peer's", 1.0, value, is_most=True)


def _sweep_bars(found: Findings) -> Iterator[Bar]:
    for sample in samples(found, "sweep") or ["every sample"]:
        losses = sweep_losses(found, sample)
        default = losses.get(sweep.DEFAULT)
        value = default / min(losses.values()) if default is not None else None
        name = f"{sample}: held-out loss of our defaults, times the sweep's best"
        yield Bar(name, NEAR_BEST, value, is_most=True)


def sweep_losses(found: Findings, sample: str) -> dict[str, float]:
    """The mean over the seeds of each point; all have the same seeds once the sweep is whole."""
    cells = {
        key.setting: cell
        for key in keys(found, "sweep", OURS, sample)
        if (cell := found.cell(key, quality.LOSS)) is not None
    }
    common = (
        set[int].intersection(*(set(cell.rounds) for cell in cells.values())) if cells else set()
    )
    return {
        setting: mean(cell.rounds[number] for number in common)
        for setting, cell in cells.items()
        if common
    }


def _ratio(found: Findings, tool: str, sample: str, figure: str) -> float | None:
    """Ours divided by the other's, each where it is fastest: the median over the rounds."""
    ours, other = (fastest(found, each, sample) for each in (OURS, tool))
    if ours is None or other is None:
        return None
    cells = [found.cell(key, figure) for key in (ours, other)]
    mine, theirs = (cell.rounds if cell else {} for cell in cells)
    shares = [mine[number] / theirs[number] for number in mine.keys() & theirs.keys()]
    return median(shares) if shares else None


def _shared(found: Findings, *wanted: RunKey) -> list[int]:
    """The rounds that all of them have."""
    rounds = [{record.round for record in found.records(key)} for key in wanted]
    return sorted(set[int].intersection(*rounds))


def _details(found: Findings, key: RunKey, number: int) -> dict[str, Any]:
    (record,) = (record for record in found.records(key) if record.round == number)
    return record.details


def _pairs(
    found: Findings, ours: RunKey, other: RunKey, number: int
) -> Iterator[tuple[float, float]]:
    """[nats] of each held-out row."""
    mine, theirs = (_details(found, key, number)["held_out"] for key in (ours, other))
    yield from zip(mine["sums"], theirs["sums"], strict=True)


def _share(pairs: Iterable[tuple[float, float]]) -> float:
    mine, theirs = zip(*pairs, strict=True)
    return 1 - sum(mine) / sum(theirs)
