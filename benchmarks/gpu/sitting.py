"""One server after the other, in rounds, as far as a sitting's minutes go.

A group of servers is started once for as many rounds as its share of the time allows; the first
round of each group goes before another group's later ones.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import httpx
import typer

from benchmarks.process import ProgramFailed
from benchmarks.serving.plan import PLACE, Measured, measure_load
from benchmarks.summary import TOKENS_PER_SECOND
from service.bench.load import Load
from service.errors import ServerRefused

from .cells import Cell, Journal, Key, Record, cells_of
from .clock import Clock
from .material import Material, Scale
from .sides import Group, Side

START, ASKED = "start_seconds", "asked_seconds"
Measure = Callable[[Load, float], Measured]  # within so many seconds, or TimeoutError
FAULTS = (ProgramFailed, ServerRefused, OSError, httpx.HTTPError)


class TimeIsOver(Exception):
    """What comes next does not fit into the minutes."""


class Sitting:
    """Measures what the journal lacks; `after_each` is called whenever it has grown.

    A group that fails is left alone for the rest of the sitting.
    """

    def __init__(
        self,
        material: Material,
        scale: Scale,
        journal: Journal,
        clock: Clock,
        num_rounds: int,
        after_each: Callable[[], object],
        measure: Measure = measure_load,
    ) -> None:
        self._material = material
        self._scale = scale
        self._journal = journal
        self._clock = clock
        self._num_rounds = num_rounds
        self._after_each = after_each
        self._measure = measure
        self._failed: set[str] = set()
        self._cells = tuple(cells_of(scale))

    def conduct(self, groups: Sequence[Group]) -> None:
        """Group by group, again and again: until nothing is missing, or nothing more fits."""
        grows = True
        while grows and (lacking := sorted(filter(self._lacks, groups), key=self._num_whole)):
            num_before = self._num_measured
            for place, group in enumerate(lacking):
                share = self._clock.left / (len(lacking) - place)
                self._serve(group, share)
            grows = self._num_measured > num_before

    @property
    def _num_measured(self) -> int:
        return sum(record.error is None for record in self._journal.records)

    def _missing(self, side: Side, number: int) -> list[Cell]:
        return [cell for cell in self._cells if not self._journal.has(cell.key(side.name), number)]

    def _lacks(self, group: Group) -> bool:
        has_failed = any(side.name in self._failed for side in group)
        return not has_failed and self._num_whole(group) < self._num_rounds

    def _num_whole(self, group: Group) -> int:
        """How many rounds are complete, from the first on."""
        rounds = range(self._num_rounds)
        lacking = (n for n in rounds if any(self._missing(side, n) for side in group))
        return next(lacking, self._num_rounds)

    def _serve(self, group: Group, share: float) -> None:
        """The servers of a group for one round at the least, if it fits, and for others while the
        share [seconds] lasts."""
        until = self._clock.left - share
        try:
            with ExitStack() as stack:
                started = _Started(group, stack, self._clock, self._journal, self._cells)
                for number in range(self._num_whole(group), self._num_rounds):
                    if not self._round(started, number) or self._clock.left <= until:
                        return
        except TimeIsOver as over:
            typer.echo(f"Left out: {over}", err=True)

    def _round(self, started: "_Started", number: int) -> bool:
        """False where a server has failed."""
        for side in started.group:
            if not (missing := self._missing(side, number)):
                continue
            current = missing[0]
            try:
                url = started.url(side)
                for current in missing:
                    record = self._ask(current, side, url, number, started.seconds[side.name])
                    self._add(record)
            except FAULTS as error:
                told = PLACE.sub("…/", str(error))
                self._add(Record(key=current.key(side.name), round=number, error=told))
                typer.echo(f"FAILED: {side.name}: {error}", err=True)
                self._failed.add(side.name)
                return False
        return True

    def _ask(self, cell: Cell, side: Side, url: str, number: int, start: float) -> Record:
        key = cell.key(side.name)
        if self._clock.left <= self._journal.most([key], ASKED):
            raise TimeIsOver(_words(key))
        load = cell.load(url, self._material, self._scale, number)
        begin = self._clock.now()
        try:
            measured = self._measure(load, self._clock.left)
        except TimeoutError as error:
            raise TimeIsOver(_words(key)) from error
        took = {START: start, ASKED: self._clock.now() - begin}
        details = measured.details | took
        return Record(key=key, round=number, figures=measured.figures, details=details)

    def _add(self, record: Record) -> None:
        self._journal.add(record)
        self._after_each()
        rate = record.figures.get(TOKENS_PER_SECOND)
        if rate is not None:
            what = f"round {record.round + 1}, {_words(record.key)}"
            typer.echo(f"{record.at:%H:%M:%S} {what}: {rate:.1f} tokens/s", err=True)


class _Started:
    """The servers of a group that run, each started when it is first asked for."""

    def __init__(
        self,
        group: Group,
        stack: ExitStack,
        clock: Clock,
        journal: Journal,
        cells: Sequence[Cell],
    ) -> None:
        self.group = group
        self.seconds: dict[str, float] = {}  # that each took to start
        self._urls: dict[str, str] = {}
        self._stack = stack
        self._clock = clock
        self._journal = journal
        self._cells = cells

    def url(self, side: Side) -> str:
        """Raises TimeIsOver where its start and a measurement would not fit, and ProgramFailed."""
        before: str | None = None
        for each in self.group:
            before = self._urls.get(each.name) or self._start(each, before)
            if each is side:
                return before
        raise ValueError(f"{side.name} is none of the group.")

    def _start(self, side: Side, before: str | None) -> str:
        keys = [cell.key(side.name) for cell in self._cells]
        needed = self._journal.most(keys, START) + self._journal.most(keys, ASKED)
        if self._clock.left <= needed:
            told = f"{self._clock.left:.0f} s are left, and it takes {needed:.0f} at the least"
            raise TimeIsOver(f"{side.name}: {told}")
        begin = self._clock.now()
        typer.echo(f"Starting {side.name}", err=True)
        url = self._stack.enter_context(side.open(before, self._clock.left))
        self._urls[side.name] = url
        self.seconds[side.name] = self._clock.now() - begin
        return url


def _words(key: Key) -> str:
    return f"{key.side}, {key.mix} of the adapters, {key.streams} streams"
