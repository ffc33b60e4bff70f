"""Whether the second stage was better than the first: decided on judgements that were held out."""

from collections.abc import Sequence
from dataclasses import dataclass

from data.wording import _
from finetune.evaluation.paired_test import ALPHA, chance_of

from .plan import Chosen
from .rows import Judgement

TOLERATED = 0.02  # share by which the loss on all that is held out may rise


@dataclass(frozen=True, slots=True)
class Measured:
    """What is held out, as one of two weights finds it. Losses are means by the token [nats]."""

    judged: Sequence[float]  # of each judged answer, in their order
    preferred: float  # of all answers that are preferred, or called good
    held_out: float  # of all that is held out


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the second stage has come to."""

    method: Chosen
    num_trained: int  # judgements
    num_measuring: int
    before: Measured  # with the examples alone
    after: Measured
    chance: float  # of such gains if it were no better
    prefers: (
        tuple[int, int] | None
    )  # pairs of which the preferred one is likelier, before and after
    faults: tuple[str, ...]  # why it is not kept, in words

    @property
    def is_kept(self) -> bool:
        return not self.faults

    @property
    def told(self) -> str:
        """What whoever trains is told."""
        kept, dropped = (
            _("{method} is kept: it is better than the examples alone."),
            _("{method} is not kept: {faults}. The adapter has what the examples alone taught."),
        )
        told = (kept if self.is_kept else dropped).format(
            method=self.method.upper(), faults=_("; ").join(self.faults)
        )
        figures = _(
            "On {count} that were held out, the loss of preferred answers went from {before:.3f} "
            "to {after:.3f}"
        ).format(count=self.num_measuring, before=self.before.preferred, after=self.after.preferred)
        if self.prefers:
            before, after = self.prefers
            more = _(
                ", and they are likelier than the others in {after} of them, before in {before}"
            )
            figures += more.format(after=after, before=before)
        return f"{told} {figures}."

    @property
    def metrics(self) -> dict[str, float]:
        """What the adapter's card says of it."""
        found = {
            "preferences_kept": float(self.is_kept),
            "preferences_trained": self.num_trained,
            "preferred_loss_before": self.before.preferred,
            "preferred_loss_after": self.after.preferred,
            "preferences_chance": self.chance,
        }
        if self.prefers:
            found |= {"prefers_before": self.prefers[0], "prefers_after": self.prefers[1]}
        return found


def decide(
    method: Chosen,
    num_trained: int,
    measuring: Sequence[Judgement],
    before: Measured,
    after: Measured,
) -> Outcome:
    """Keep it only if preferred answers are likelier than before, and stand out more clearly."""
    margins, margins_after = (_margins(measuring, each.judged) for each in (before, after))
    chance = chance_of([late - early for early, late in zip(margins, margins_after, strict=True)])
    prefers = None
    if method == "dpo":
        prefers = sum(m > 0 for m in margins), sum(m > 0 for m in margins_after)
    faults: list[str] = []
    if after.preferred >= before.preferred:
        faults.append(_("preferred answers have not become likelier"))
    elif chance > ALPHA or (prefers and prefers[1] < prefers[0]):
        faults.append(
            _("that they stand out more may be chance ({chance:.1%})").format(chance=chance)
        )
    if after.held_out > before.held_out * (1 + TOLERATED):
        faults.append(
            _("the loss on all that is held out rose by {rise:.1%}").format(
                rise=after.held_out / before.held_out - 1
            )
        )
    return Outcome(
        method, num_trained, len(measuring), before, after, chance, prefers, tuple(faults)
    )


def _margins(measuring: Sequence[Judgement], losses: Sequence[float]) -> list[float]:
    """How far each judgement's answer stands out: from the other one, or from where it was."""
    following = iter(losses)
    margins: list[float] = []
    for judgement in measuring:
        signed = [next(following) * (-1 if row.part == "preferred" else 1) for row in judgement]
        margins.append(sum(signed))
    return margins
