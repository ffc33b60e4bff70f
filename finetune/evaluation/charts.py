"""Curves as inline SVG: what a template needs to draw them, in a box of fixed size."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from data.wording import _
from finetune.training.observer import StepMetrics

WIDTH = 640  # of the plot, without labels
LOSS_HEIGHT, RATE_HEIGHT = 240, 120
MOST_TICKS = 6
TICK_EVERY = 40  # of the height, at most
MOST_POINTS = 400  # of a line: more cannot be seen
SMOOTHED = 0.06  # of the steps, averaged into the line that is drawn over the raw ones

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    style: str  # its class in the style sheet
    points: Sequence[Point]  # in the box
    has_dots: bool = False

    @property
    def path(self) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass(frozen=True, slots=True)
class Tick:
    at: float  # in the box
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    y_title: str
    lines: Sequence[Line]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    height: int
    width: int = WIDTH


def training_charts(steps: Sequence[StepMetrics]) -> list[Chart]:
    """Loss and learning rate by step; nothing where no step is known."""
    if not steps:
        return []
    loss = [(step.step, step.loss) for step in steps]
    held_out = [(step.step, step.eval_loss) for step in steps if step.eval_loss is not None]
    rate = [(step.step, step.learning_rate) for step in steps]
    return [
        _chart(
            _("Loss by step"),
            _("loss per answer token"),
            [
                (_("training, each step"), "raw", loss),
                (_("training, averaged"), "smooth", _smooth(loss)),
                (_("held-out"), "held-out", held_out),
            ],
            LOSS_HEIGHT,
        ),
        _chart(
            _("Learning rate by step"),
            _("learning rate"),
            [(_("learning rate"), "smooth", rate)],
            RATE_HEIGHT,
        ),
    ]


def nice_ticks(low: float, high: float, most: int = MOST_TICKS) -> list[float]:
    """Ticks from `low` or below to `high` or above, evenly 1, 2 or 5 times a power of ten apart."""
    span = (high - low) or abs(high) or 1.0
    rough = span / (most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first = math.floor(low / step + 1e-9)
    last = max(math.ceil(high / step - 1e-9), first + 1)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _chart(
    title: str, y_title: str, series: Sequence[tuple[str, str, Sequence[Point]]], height: int
) -> Chart:
    points = [point for _, _, each in series for point in each]
    last = max(x for x, _ in points)
    values = nice_ticks(
        min(y for _, y in points), max(y for _, y in points), most=height // TICK_EVERY
    )
    bottom, top = values[0], values[-1]

    def place(point: Point) -> Point:
        x, y = point
        return WIDTH * x / last, height * (1 - (y - bottom) / (top - bottom))

    return Chart(
        title=title,
        y_title=y_title,
        height=height,
        lines=[
            Line(name, style, [place(point) for point in _thin(each)], style == "held-out")
            for name, style, each in series
            if each
        ],
        x_ticks=[
            Tick(place((x, bottom))[0], f"{x:g}")
            for x in nice_ticks(0, last)
            if x <= last and x == int(x)
        ],
        y_ticks=[Tick(place((0, y))[1], f"{y:g}") for y in values],
    )


def _smooth(points: Sequence[Point]) -> list[Point]:
    """Each point's mean with its neighbours, as many on either side."""
    reach = max(1, round(SMOOTHED * len(points) / 2))
    smoothed: list[Point] = []
    for place, point in enumerate(points):
        side = min(reach, place, len(points) - 1 - place)
        near = points[place - side : place + side + 1]
        smoothed.append((point[0], sum(y for _, y in near) / len(near)))
    return smoothed


def _thin(points: Sequence[Point]) -> Sequence[Point]:
    every = math.ceil(len(points) / MOST_POINTS)
    return [*points[:-1:every], points[-1]]
