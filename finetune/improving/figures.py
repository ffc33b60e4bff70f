"""What the gate measures of a candidate beside the version that is served, on the same items."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from data.conversation import Conversation
from data.likeness import asked
from data.wording import _
from finetune.evaluation.compare import Material, Measured, compare
from finetune.evaluation.effort import OnWork
from finetune.evaluation.faults import fault_of
from finetune.evaluation.samples import Samples
from finetune.evaluation.sides import Pair, PairedRows, Side, render_pair
from finetune.evaluation.text_scores import chrf
from finetune.training.loss import AnswerLoss

from .correction import Correction

LOWEST = 0.01  # [nats a token]: below, an answer is as good as known
NO_LIMIT = 1 << 20  # [tokens] of a conversation: what was trained fits, and the rest is not cut
NUM_SAMPLES = 8  # held-out questions that both sides answer


@dataclass(frozen=True, slots=True)
class PairedLosses:
    """Losses of both sides on the same items, each item's mean over its answer's tokens [nats]."""

    served: Sequence[float]
    candidate: Sequence[float]

    @property
    def gains(self) -> list[float]:
        """The logarithm of how many times lower the candidate's loss is, by item: what exchanging
        both sides only turns round."""
        both = zip(self.served, self.candidate, strict=True)
        return [math.log(max(before, LOWEST) / max(after, LOWEST)) for before, after in both]

    def __len__(self) -> int:
        return len(self.served)


@dataclass(frozen=True, slots=True)
class CriticalAnswer:
    """What the candidate answers to a question whose answer must never be given again."""

    id: str
    answer: str
    nearness: tuple[float, float]  # chrF to the right answer, and to the one that was given
    losses: tuple[float, float]  # of the right answer, and of the one that was given

    @property
    def is_mended(self) -> bool:
        right, given = self.nearness
        return right > given and self.losses[0] < self.losses[1]


@dataclass(frozen=True, slots=True)
class Figures:
    """All that the decision rests on."""

    corrections: PairedLosses  # the held-out ones
    held_out: PairedLosses  # what the line held out before
    prefers: Sequence[tuple[bool, bool]]  # by item: does served, does candidate prefer the right
    # How much likelier a correction is after its own question than after another [nats a token]:
    sense: Sequence[float]  # to the served version, of all corrections
    sense_learned: Sequence[float]  # to the candidate, of those that were held out
    critical: Sequence[CriticalAnswer]
    faulty: tuple[int, int] = (0, 0)  # answers with a plain fault: of served, of candidate
    num_answers: int = 0
    measured: Measured | None = field(default=None, repr=False)  # what the report is made of


@dataclass(frozen=True, slots=True)
class GateMaterial:
    corrections: Sequence[Correction]  # all of them; the sides are set
    held_out: Sequence[Conversation]  # what the line held out before

    @property
    def measuring(self) -> list[Correction]:
        """Those that are held out; of one question the one that was accepted last."""
        out = [each for each in self.corrections if each.side == "held_out" and each.measures]
        return [*{asked(each.right): each for each in out}.values()]


def measure(
    pair: Pair,
    material: GateMaterial,
    announce: Callable[[str], None],
    on_work: OnWork = lambda *_: None,
) -> Figures:
    """Measure both sides; `pair.baseline` is what is served."""
    right = [each.right for each in material.measuring]
    announce(
        _("Comparing {served} and {candidate}").format(
            served=pair.baseline.name, candidate=pair.adapter.name
        )
    )
    corrections = _losses(pair, right)
    given = _losses(pair, [_given(each) for each in material.measuring])
    held_out = _losses(pair, material.held_out)
    critical = _ask_critical(pair, material)
    measured = _compare(pair, [*right, *material.held_out], announce, on_work)
    return Figures(
        corrections=corrections,
        held_out=held_out,
        prefers=[
            (served < old_served, candidate < old_candidate)
            for served, candidate, old_served, old_candidate in zip(
                corrections.served,
                corrections.candidate,
                given.served,
                given.candidate,
                strict=True,
            )
        ],
        sense=_sense(pair, pair.baseline, material.corrections),
        sense_learned=_sense(pair, pair.adapter, material.measuring),
        critical=critical,
        faulty=_faulty(measured.samples),
        num_answers=len(measured.samples.shown) if measured.samples else 0,
        measured=measured,
    )


def _sense(pair: Pair, side: Side, corrections: Sequence[Correction]) -> list[float]:
    """Each beside the next one's question. Who shares the next one's answer says nothing."""
    own = [each.right for each in corrections if each.measures]
    following = zip(own, [*own[1:], *own[:1]], strict=True)
    both = [
        (each, replace(each, messages=(*other.messages[:-1], each.messages[-1])))
        for each, other in following
        if each.messages[-1] != other.messages[-1]
    ]
    if not both:
        return []
    right, wrong = (
        _means(pair.loss(side, render_pair(side, side, conversations, NO_LIMIT).baseline))
        for conversations in zip(*both, strict=True)
    )
    return [after - before for before, after in zip(right, wrong, strict=True)]


def _losses(pair: Pair, conversations: Sequence[Conversation]) -> PairedLosses:
    if not conversations:
        return PairedLosses((), ())
    rows = render_pair(pair.baseline, pair.adapter, conversations, NO_LIMIT)
    return PairedLosses(
        _means(pair.loss(pair.baseline, rows.baseline)),
        _means(pair.loss(pair.adapter, rows.adapter)),
    )


def _means(loss: AnswerLoss) -> list[float]:
    return [total / max(1, count) for total, count in zip(loss.sums, loss.counts, strict=True)]


def _given(correction: Correction) -> Conversation:
    *before, answer = correction.right.messages
    return replace(
        correction.right, messages=(*before, replace(answer, content=correction.given or ""))
    )


def _ask_critical(pair: Pair, material: GateMaterial) -> list[CriticalAnswer]:
    critical = [each for each in material.corrections if each.is_critical and each.measures]
    if not critical:
        return []
    rows = render_pair(pair.adapter, pair.adapter, [each.right for each in critical], NO_LIMIT)
    limit = max(sum(row.trained) for row in rows.adapter) * 2
    answers = [answer.text for _old, answer in pair.answer(rows, limit)]
    right = _means(pair.loss(pair.adapter, rows.adapter))
    given = render_pair(pair.adapter, pair.adapter, [*map(_given, critical)], NO_LIMIT)
    wrong = _means(pair.loss(pair.adapter, given.adapter))
    return [
        CriticalAnswer(
            each.id,
            answer,
            (chrf([answer], [each.right_answer]), chrf([answer], [each.given or ""])),
            (good, bad),
        )
        for each, answer, good, bad in zip(critical, answers, right, wrong, strict=True)
    ]


def _compare(
    pair: Pair,
    conversations: Sequence[Conversation],
    announce: Callable[[str], None],
    on_work: OnWork,
) -> Measured:
    rows: PairedRows = render_pair(pair.baseline, pair.adapter, conversations, NO_LIMIT)
    material = Material(conversations, rows, num_samples=NUM_SAMPLES)
    return compare(pair, material, announce, on_work)


def _faulty(samples: Samples | None) -> tuple[int, int]:
    if samples is None:
        return 0, 0
    served = [fault_of(each.question, each.baseline, each.reference) for each in samples.shown]
    candidate = [fault_of(each.question, each.adapter, each.reference) for each in samples.shown]
    return (len(served) - served.count(None), len(candidate) - candidate.count(None))
