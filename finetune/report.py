"""`report.html`: what the training did, for somebody who has never trained a model."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .evaluate import AnswerLoss
from .samples import Sample
from .train import StepMetrics

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Comparison:
    """Base against adapter on the same held-out rows, in `precision`."""

    base: AnswerLoss
    adapter: AnswerLoss

    @property
    def gain(self) -> float:
        """How much lower the adapter's loss is, as a share of the base's."""
        return 1 - self.adapter.per_token / self.base.per_token

    def gain_interval(self, seed: int = 0) -> tuple[float, float]:
        """The gain's 95 % interval, by a bootstrap over rows (paired percentiles)."""
        chooser = random.Random(seed)
        rows = range(len(self.base.sums))
        gains: list[float] = []
        for _ in range(RESAMPLES):
            drawn = chooser.choices(rows, k=len(rows))
            base = sum(self.base.sums[row] for row in drawn)
            gains.append(1 - sum(self.adapter.sums[row] for row in drawn) / base)
        gains.sort()
        return gains[int(0.025 * RESAMPLES)], gains[int(0.975 * RESAMPLES) - 1]


@dataclass(frozen=True, slots=True)
class Report:
    name: str
    base_id: str
    precision: str
    comparison: Comparison
    training_loss: float  # held-out, at training precision
    num_trained: int
    num_held_out: int
    steps: Sequence[StepMetrics]
    samples: Sequence[Sample]
    disclaimer: str | None

    @property
    def verdict(self) -> str:
        """One sentence for a person who knows nothing of losses."""
        low, high = self.comparison.gain_interval()
        if low > 0:
            return (
                "The adapter predicts answers that it has never seen better than the base model: "
                f"its loss is {self.comparison.gain:.0%} lower (95 % interval: {low:.0%} to "
                f"{high:.0%})."
            )
        if high < 0:
            return "The adapter is worse than the base model on answers it has never seen."
        return (
            "No clear difference from the base model on unseen answers: the held-out set is too "
            "small, or there is too little data. Add conversations and train again."
        )

    def write(self, path: Path) -> None:
        import jinja2

        template = (Path(__file__).parent / "report.html.j2").read_text(encoding="utf-8")
        environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
        html = environment.from_string(template).render(report=self, chart=self._chart())
        path.write_text(html, encoding="utf-8")

    def _chart(self) -> dict[str, str | float | int]:
        """Polylines in a 640×220 box: training loss, and held-out loss where it was measured."""
        losses = [step.loss for step in self.steps]
        evals = [step.eval_loss for step in self.steps if step.eval_loss is not None]
        top = max([*losses, *evals], default=1.0) * 1.05
        last = max((step.step for step in self.steps), default=1)

        def point(step: int, loss: float) -> str:
            return f"{640 * step / last:.1f},{220 * (1 - loss / top):.1f}"

        return {
            "train": " ".join(point(step.step, step.loss) for step in self.steps),
            "held_out": " ".join(
                point(step.step, step.eval_loss)
                for step in self.steps
                if step.eval_loss is not None
            ),
            "top": top,
            "last": last,
        }
