"""What the numbers mean, in words, and what to try next."""

from collections.abc import Iterator, Sequence

from finetune.training.trainer import StepMetrics

from .bootstrap import Estimate
from .compare import Measured
from .finding import Finding
from .leakage import Leakage
from .likelihood import Likelihood
from .usability import Past, judge_use

# An adapter is better, or worse, where the whole 95% interval of its gain says so. It has …
CARRIED = 0.5  # overfitted, if unseen answers gained a smaller share of what trained ones gained,
TURNED = 0.05  # or if its held-out loss ended this share above its lowest;
FORGOTTEN = 0.10  # forgotten, if a language's general answers lost this share, surely some;
REMEMBERED = 0.50  # memorised, if this share of trained answers comes back word for word,
BEYOND_MANNER = 0.25  # and this much more than of unseen ones.
FEWEST = 5  # conversations that an interval can be believed of
FEW = 30  # below them, "no better" may only mean "too few to tell"


def judge(measured: Measured, baseline: str, past: Past | None = None) -> list[Finding]:
    """Whether its answers can be used and are better comes first, then what else is wrong."""
    past = past or Past()
    gain = _judge_gain(measured.unseen, baseline, _answers(measured))
    has_gained = gain.kind == "better"
    use = judge_use(measured, past, has_gained, baseline)
    is_useless = use is not None and use.kind == "not usable yet"
    first = [use, None if has_gained else gain] if is_useless else [gain, use]
    return [
        *(finding for finding in first if finding),
        *_judge_fit(measured, past.steps),
        *(
            finding
            for language, likelihood in measured.general.items()
            for finding in _judge_memory(language, likelihood)
        ),
        *(_judge_leakage(measured.leakage) if measured.leakage else ()),
    ]


def _answers(measured: Measured) -> str:
    return "answers that it has never seen" if measured.are_unseen else "these answers"


def _judge_gain(unseen: Likelihood, baseline: str, answers: str) -> Finding:
    gain, change = unseen.gain, unseen.rise
    of = f"{unseen.num_rows} conversations"
    if unseen.num_rows < FEWEST:
        return Finding(
            "unclear",
            f"On {answers}, the loss changed by {change.value:+.0%} against {baseline}, but {of} "
            "are too few to tell.",
            f"Measure on at least {FEWEST}, better {FEW}.",
        )
    if gain.low > 0:
        return Finding(
            "better",
            f"On {answers}, the adapter predicts the right words better than {baseline}: its "
            f"loss is {gain.value:.0%} lower ({_interval(gain)}; {of}).",
        )
    if gain.high < 0:
        return Finding(
            "worse",
            f"On {answers}, the adapter predicts the right words worse than {baseline}: its "
            f"loss is {change.value:.0%} higher ({_interval(change)}; {of}).",
            "Do not use it. Look through the data (lora-chat data check), then train with a lower "
            "rate (--set learning_rate=…) or fewer epochs.",
        )
    return _no_better(unseen, baseline, answers)


def _no_better(unseen: Likelihood, baseline: str, answers: str) -> Finding:
    change = unseen.rise
    few = " Hold more out, too: so few can hardly tell." if unseen.num_rows < FEW else ""
    return Finding(
        "no better",
        f"On {answers}, there is no clear difference from {baseline}: the loss changed by "
        f"{change.value:+.1%} ({_interval(change, '+.1%')}; {unseen.num_rows} conversations).",
        f"Add conversations, or train for more epochs (--set epochs=…).{few}",
    )


def _interval(estimate: Estimate, form: str = ".0%") -> str:
    return f"95% interval: {estimate.low:{form}} to {estimate.high:{form}}"


def _judge_fit(measured: Measured, steps: Sequence[StepMetrics]) -> Iterator[Finding]:
    if measured.leakage is not None and (fit := _judge_gap(measured.unseen, measured.leakage)):
        yield fit
        return
    losses = [step.eval_loss for step in steps if step.eval_loss is not None]
    if losses and losses[-1] > (1 + TURNED) * min(losses):
        yield Finding(
            "overfitted",
            f"In training the held-out loss fell to {min(losses):.2f} and rose "
            f"again to {losses[-1]:.2f}. The best point is what was kept, so only time was lost.",
            "Train with fewer epochs, or a lower rate.",
        )


def _judge_gap(unseen: Likelihood, leakage: Leakage) -> Finding | None:
    new, trained = -unseen.nll.difference.value, -leakage.trained.nll.difference.value
    if leakage.shortfall.low <= 0 or new >= CARRIED * trained:
        return None
    return Finding(
        "overfitted",
        f"On answers that it was trained on the loss fell by {trained:.2f}, on new ones by "
        f"{new:.2f}: less than half of what it learned carries over.",
        "Add conversations, above all different ones; or train with fewer epochs, a lower rate or "
        "a smaller rank.",
    )


def _judge_memory(language: str, likelihood: Likelihood) -> Iterator[Finding]:
    rise = likelihood.rise
    if rise.value >= FORGOTTEN and rise.low > 0:
        yield Finding(
            "forgets",
            f"Everyday answers in {language} have become less likely; their loss is "
            f"{rise.value:.0%} higher ({_interval(rise)}).",
            "If it is to answer anything beyond its subject, train with a lower rate or fewer "
            "epochs, or mix everyday conversations in (--general-mix 0.1).",
        )


def _judge_leakage(leakage: Leakage) -> Iterator[Finding]:
    beyond = leakage.trained_share - leakage.held_out_share
    if leakage.trained_share >= REMEMBERED and beyond >= BEYOND_MANNER:
        yield Finding(
            "memorises",
            f"Given the beginning of an answer it was trained on, it recites "
            f"{leakage.trained_share:.0%} of the rest word for word, of unseen answers "
            f"{leakage.held_out_share:.0%}.",
            "Whoever asks cleverly can get training answers out of it: keep personal data out of "
            "them (--redact), and train with fewer epochs.",
        )
