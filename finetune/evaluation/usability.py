"""Whether an adapter's answers can be used at all, and if not, the likeliest cause."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from data.wording import N_, _
from finetune.bases.spelling import MUCH
from finetune.training.observer import StepMetrics

from .compare import Measured
from .faults import Fault, faults_of, main_script
from .finding import Finding
from .samples import Samples

# Answers cannot be used, if
HALF = 0.5  # this share of them is plainly faulty,
RELATED = 0.5  # or they are this much less like the references than those are like each other,
TO_COMPARE = 4  # answers, at least;
# or if the right answers cost so many bits a character that only fragments of words come out:
# about what pairs of letters (English) or the bare frequencies of words (Chinese) explain, after
# Shannon 1951, Prediction and Entropy of Printed English.
MOST_BITS = {"CJK": 6.0}
MOST_BITS_OF_LETTERS = 2.5
SENTENCE = 20  # characters of a usual answer; below, bits say more of the end than of the text

FEW_STEPS = 30
STILL_FALLING = 0.02  # of the held-out loss, from the last measurement but one to the last
FEW_ROWS = 50  # to train on

SAID: Mapping[Fault, str] = {
    "empty": N_("{count} empty"),
    "repeats": N_("{count} going round in circles"),
    "script": N_("{count} in another script than the right answer"),
    "endless": N_("{count} without an end"),
    "broken": N_("{count} with broken characters"),
    "echo": N_("{count} repeating the question"),
    "same": N_("{count} the same as another"),
}


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of an adapter's training."""

    num_rows: int | None = None  # trained on
    steps: Sequence[StepMetrics] = ()


def judge_use(measured: Measured, past: Past, has_gained: bool, baseline: str) -> Finding | None:
    """Judge an adapter's use by its answers; None where nothing is wrong with them."""
    samples = measured.samples
    if samples is None or not samples.shown:
        return None
    faults = faults_of(samples)
    faulty = _told(faults)
    reasons = [*_reasons(measured, samples)]
    if len(faults) - faults.count(None) >= HALF * len(faults):
        reasons.insert(0, faulty)
    if reasons:
        return _not_usable(reasons, measured, past, has_gained, baseline)
    if faulty:
        return Finding(
            "falters", faulty, _("Read its answers in the report before anybody relies on it.")
        )
    return None


def _told(faults: Sequence[Fault | None]) -> str:
    """The faults in one sentence; empty where there are none."""
    counts = [(faults.count(kind), said) for kind, said in SAID.items()]
    parts = [_(said).format(count=count) for count, said in counts if count]
    if not parts:
        return ""
    told = _(", ").join(parts)
    return _("Of {count} answers that it wrote: {told}.").format(count=len(faults), told=told)


def _reasons(measured: Measured, samples: Samples) -> Iterator[str]:
    unseen = measured.unseen
    references = " ".join(sample.reference for sample in samples.shown)
    limit = MOST_BITS.get(main_script(references) or "", MOST_BITS_OF_LETTERS)
    bits = unseen.bits_per_character.adapter.value
    if bits >= limit and unseen.num_characters >= SENTENCE * unseen.num_rows:
        yield _(
            "The right answers surprise it by {bits:.1f} bits a character; from about {limit:g} "
            "on, what is written makes no sense."
        ).format(bits=bits, limit=limit)
    shared, by_chance = samples.adapter.chrf, samples.unrelated_chrf
    if len(samples.shown) >= TO_COMPARE and shared < RELATED * by_chance:
        yield _(
            "Its answers have less in common with the right ones (chrF {shared:.1f}) than those "
            "have with each other ({by_chance:.1f})."
        ).format(shared=shared, by_chance=by_chance)


def _not_usable(
    reasons: Sequence[str], measured: Measured, past: Past, has_gained: bool, baseline: str
) -> Finding:
    cause, advice = _cause(measured, past)
    said = [*reasons]
    if has_gained:
        said.append(
            _(
                "It has learned something: the right words are {gain:.0%} less of a surprise to it "
                "than to {baseline}. But that is not enough."
            ).format(gain=measured.unseen.gain.value, baseline=baseline)
        )
    return Finding("not usable yet", " ".join([*said, cause]).strip(), advice)


def _cause(measured: Measured, past: Past) -> tuple[str, str]:
    """The likeliest one that the numbers show, and the next step."""
    unseen = measured.unseen
    spent = unseen.num_tokens / max(1, unseen.num_characters)
    if spent >= MUCH:
        return (
            _(
                "The likeliest cause is the base: it spends {spent:.1f} tokens on a character, so "
                "it hardly knows this language."
            ).format(spent=spent),
            _(
                "Train on a base that knows the language: lora-chat bases recommend DATA names "
                "those that fit this machine."
            ),
        )
    if unseen.gain.high < 0:
        return (
            _("The likeliest cause is the training itself: it made the base worse."),
            _("Train again with a lower rate (--set learning_rate=…)."),
        )
    return _too_little(past)


def _too_little(past: Past) -> tuple[str, str]:
    if past.steps and (len(past.steps) < FEW_STEPS or _is_falling(past.steps)):
        return (
            _("The likeliest cause is too short a training: {count} steps.").format(
                count=len(past.steps)
            ),
            _("Train longer (--set epochs=…)."),
        )
    if past.num_rows and past.num_rows < FEW_ROWS:
        return (
            _("The likeliest cause is too little data: {count} conversations.").format(
                count=past.num_rows
            ),
            _("Collect at least {few}, better some hundreds, and train again.").format(
                few=FEW_ROWS
            ),
        )
    return "", _(
        "Look through the data (lora-chat data check), then train longer (--set epochs=…) or on a "
        "bigger base (lora-chat bases recommend)."
    )


def _is_falling(steps: Sequence[StepMetrics]) -> bool:
    losses = [step.eval_loss for step in steps if step.eval_loss is not None]
    return len(losses) > 1 and losses[-1] < (1 - STILL_FALLING) * losses[-2]
