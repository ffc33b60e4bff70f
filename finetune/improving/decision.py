"""Promote, refuse or abstain: one decision from the figures, with its reasons in words.

A candidate is promoted only if it is shown to be better on the corrections that were held out, so
that without a real difference at most `ALPHA` of all candidates are; everything else can only
refuse it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb
from statistics import fmean
from typing import Literal

from data.wording import N_, speaking
from finetune.evaluation.paired_test import ALPHA, chance_of, items_needed
from finetune.evaluation.verdict import judge

from .correction import ENOUGH, reviewed_for
from .figures import Figures, PairedLosses

Outcome = Literal["promote", "refuse", "abstain"]

LEAST = 0.05  # a gain that more corrections should be able to show
TOLERATED = 0.02  # share by which the loss on what was held out before may rise
FAULTY = 0.25  # share of the answers that may be faulty where the served version's are not
FEWEST_FOR_SENSE = 12  # corrections of which it can be told whether they fit their questions


@dataclass(frozen=True, slots=True)
class Decision:
    outcome: Outcome
    reasons: tuple[str, ...]  # in English words, to be retold; the deciding ones first
    chance: float | None = None  # of such gains if there is no difference
    gain: float | None = None  # mean over the held-out corrections, as a share of the loss
    needed: int | None = None  # reviewed corrections that would probably tell


def decide(figures: Figures) -> Decision:
    """Judge the candidate."""
    gains, chance = figures.corrections.gains, chance_of(figures.corrections.gains)
    gain = _lower(gains) if gains else None
    if refused := [*_refusals(figures)]:
        return Decision("refuse", tuple(refused), chance, gain)
    if len(gains) < ENOUGH:
        return abstain_for_few(len(gains))
    assert gain is not None
    if gain > 0 and chance <= ALPHA:
        return Decision("promote", (_better(figures, gain, chance), *_calm(figures)), chance, gain)
    return _undecided(gains, gain, chance)


def check_sense(served: Sequence[float], candidate: Sequence[float]) -> str | None:
    """What is wrong with the corrections themselves, if they fit their questions neither to the
    served version nor to the candidate; None also where there are too few to tell."""
    fits = chance_of(served) <= ALPHA or chance_of(candidate) <= ALPHA
    if len(served) < FEWEST_FOR_SENSE or fits:
        return None
    return N_(
        "The corrections do not fit their questions: neither the served version nor the candidate "
        "finds them likelier after their own question than after another one ({count} compared). "
        "Look whether answers were mixed up."
    ).format(count=len(served))


def abstain_for_few(num_held_out: int) -> Decision:
    """Nothing can be told of so few."""
    needed = reviewed_for(ENOUGH - num_held_out, num_held_out)
    told = N_(
        "{needed} more reviewed corrections are needed: {count} are held out so far, and fewer "
        "than {enough} tell nothing."
    ).format(needed=needed, count=num_held_out, enough=ENOUGH)
    return Decision("abstain", (told,), needed=needed)


def _lower(gains: Sequence[float]) -> float:
    """The share by which the losses are lower, in the geometric mean."""
    return 1 - math.exp(-fmean(gains))


def _refusals(figures: Figures) -> Iterator[str]:
    for each in figures.critical:
        if not each.is_mended:
            yield N_("The critical question {id} is still answered as before.").format(id=each.id)
    if confused := check_sense(figures.sense, figures.sense_learned):
        yield confused
    yield from _worse(figures.corrections, N_("the corrections that were held out"), 0.0)
    yield from _worse(figures.held_out, N_("what was held out before"), TOLERATED)
    if (chance := _chance_of_fewer(figures.prefers)) <= ALPHA:
        yield N_(
            "It prefers the wrong answer to its correction more often than the served version "
            "(chance {chance:.1%})."
        ).format(chance=chance)
    served, candidate = figures.faulty
    if candidate - served > FAULTY * figures.num_answers:
        yield N_(
            "Of {count} answers that it wrote, {candidate} are plainly faulty (empty, repeating, "
            "without an end …); of the served version's {served}."
        ).format(count=figures.num_answers, candidate=candidate, served=served)
    if figures.measured is not None:
        with speaking("en"):
            findings = judge(figures.measured, N_("the served version"))
        yield from (each.text for each in findings if each.kind == "forgets")


def _worse(losses: PairedLosses, of: str, tolerated: float) -> Iterator[str]:
    gains = losses.gains
    if not gains:
        return
    rise, chance = -_lower(gains), chance_of([-gain for gain in gains])
    if rise > tolerated and chance <= ALPHA:
        yield N_("On {of} its loss is {rise:.1%} higher (chance {chance:.1%}).").format(
            of=of, rise=rise, chance=chance
        )


def _chance_of_fewer(prefers: Sequence[tuple[bool, bool]]) -> float:
    """The probability of so many items lost, if losing is as likely as winning (sign test)."""
    lost = sum(served and not candidate for served, candidate in prefers)
    won = sum(candidate and not served for served, candidate in prefers)
    changed = lost + won
    return sum(comb(changed, more) for more in range(lost, changed + 1)) / 2**changed


def _better(figures: Figures, gain: float, chance: float) -> str:
    return N_(
        "On {count} corrections that were held out, its loss is {gain:.1%} lower (chance "
        "{chance:.1%} if there were no difference)."
    ).format(count=len(figures.corrections), gain=gain, chance=chance)


def _calm(figures: Figures) -> Iterator[str]:
    """What speaks for it besides."""
    if figures.held_out.gains:
        change = -_lower(figures.held_out.gains)
        yield N_("What was held out before: its loss changed by {change:+.1%}.").format(
            change=change
        )
    if figures.prefers:
        served, candidate = (sum(side) for side in zip(*figures.prefers, strict=True))
        yield N_(
            "It prefers the correction to the old answer in {candidate} of {count}, the served "
            "version in {served}."
        ).format(candidate=candidate, served=served, count=len(figures.prefers))
    if figures.critical:
        yield N_("{count} critical questions are answered otherwise.").format(
            count=len(figures.critical)
        )


def _undecided(gains: Sequence[float], gain: float, chance: float) -> Decision:
    more = items_needed(gains, LEAST) - len(gains)
    seen = N_(
        "On {count} corrections that were held out, its loss changed by {change:+.1%}; that may be "
        "chance ({chance:.1%})."
    ).format(count=len(gains), change=-gain, chance=chance)
    if more <= 0:
        told = N_("So many would show it if it were {least:.0%} better.").format(least=LEAST)
        return Decision("refuse", (seen, told), chance, gain)
    needed = reviewed_for(more, len(gains))
    told = N_("{needed} more reviewed corrections are needed.").format(needed=needed)
    return Decision("abstain", (seen, told), chance, gain, needed)
