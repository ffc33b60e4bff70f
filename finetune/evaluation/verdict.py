"""What the numbers mean, in words, and what to try next."""

from collections.abc import Iterator, Sequence

from data.wording import _
from finetune.training.observer import StepMetrics

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
    baseline = _(baseline)
    gain = _judge_gain(measured, baseline)
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


def _judge_gain(measured: Measured, baseline: str) -> Finding:
    unseen, of = measured.unseen, _group(measured)
    gain, change = unseen.gain, unseen.rise
    if unseen.num_rows < FEWEST:
        return Finding(
            "unclear",
            _(
                "On {of}, the loss changed by {change:+.0%} against {baseline}: too few to tell."
            ).format(of=of, change=change.value, baseline=baseline),
            _("Measure on at least {fewest}, better {few}.").format(fewest=FEWEST, few=FEW),
        )
    if gain.low > 0:
        return Finding(
            "better",
            _(
                "On {of}, the adapter predicts the right words better than {baseline}: its loss is "
                "{gain:.0%} lower ({interval})."
            ).format(of=of, baseline=baseline, gain=gain.value, interval=_interval(gain)),
            _(
                "Whether what it says is right has not been measured: let somebody who knows the "
                "subject read its answers."
            ),
        )
    if gain.high < 0:
        return Finding(
            "worse",
            _(
                "On {of}, the adapter predicts the right words worse than {baseline}: its loss is "
                "{change:.0%} higher ({interval})."
            ).format(of=of, baseline=baseline, change=change.value, interval=_interval(change)),
            _(
                "Do not use it. Look through the data (lora-chat data check), then train with a "
                "lower rate (--set learning_rate=…) or fewer epochs."
            ),
        )
    return _no_better(unseen, baseline, of)


def _group(measured: Measured) -> str:
    count = measured.unseen.num_rows
    if measured.are_unseen:
        return _("{count} conversations that it has never seen").format(count=count)
    return _("these {count} conversations").format(count=count)


def _no_better(unseen: Likelihood, baseline: str, of: str) -> Finding:
    change = unseen.rise
    few = _("Hold more out, too: so few can hardly tell.") if unseen.num_rows < FEW else ""
    advice = _("Add conversations, or train for more epochs (--set epochs=…).")
    return Finding(
        "no better",
        _(
            "On {of}, there is no clear difference from {baseline}: the loss changed by "
            "{change:+.1%} ({interval})."
        ).format(
            of=of,
            baseline=baseline,
            change=change.value,
            interval=_interval(change, "+.1%"),
        ),
        f"{advice} {few}".strip(),
    )


def _interval(estimate: Estimate, form: str = ".0%") -> str:
    low, high = (format(value, form) for value in (estimate.low, estimate.high))
    return _("interval at 95%: {low} to {high}").format(low=low, high=high)


def _judge_fit(measured: Measured, steps: Sequence[StepMetrics]) -> Iterator[Finding]:
    if measured.leakage is not None and (fit := _judge_gap(measured.unseen, measured.leakage)):
        yield fit
        return
    losses = [step.eval_loss for step in steps if step.eval_loss is not None]
    if losses and losses[-1] > (1 + TURNED) * min(losses):
        yield Finding(
            "overfitted",
            _(
                "In training the held-out loss fell to {lowest:.2f} and rose again to {last:.2f}. "
                "The best point is what was kept, so only time was lost."
            ).format(lowest=min(losses), last=losses[-1]),
            _("Train with fewer epochs, or a lower rate."),
        )


def _judge_gap(unseen: Likelihood, leakage: Leakage) -> Finding | None:
    new, trained = -unseen.nll.difference.value, -leakage.trained.nll.difference.value
    if leakage.shortfall.low <= 0 or new >= CARRIED * trained:
        return None
    return Finding(
        "overfitted",
        _(
            "On answers that it was trained on the loss fell by {trained:.2f}, on new ones by "
            "{new:.2f}: less than half of what it learned carries over."
        ).format(trained=trained, new=new),
        _(
            "Add conversations, above all different ones; or train with fewer epochs, a lower "
            "rate or a smaller rank."
        ),
    )


def _judge_memory(language: str, likelihood: Likelihood) -> Iterator[Finding]:
    rise = likelihood.rise
    if rise.value >= FORGOTTEN and rise.low > 0:
        yield Finding(
            "forgets",
            _(
                "Everyday answers in {language} have become less likely; their loss is {rise:.0%} "
                "higher ({interval})."
            ).format(language=_(language), rise=rise.value, interval=_interval(rise)),
            _(
                "If it is to answer anything beyond its subject, train with a lower rate or fewer "
                "epochs, or mix everyday conversations in (--general-mix 0.1)."
            ),
        )


def _judge_leakage(leakage: Leakage) -> Iterator[Finding]:
    beyond = leakage.trained_share - leakage.held_out_share
    if leakage.trained_share >= REMEMBERED and beyond >= BEYOND_MANNER:
        yield Finding(
            "memorises",
            _(
                "Given the beginning of an answer it was trained on, it recites {trained:.0%} of "
                "the rest word for word, of unseen answers {unseen:.0%}."
            ).format(trained=leakage.trained_share, unseen=leakage.held_out_share),
            _(
                "Whoever asks cleverly can get training answers out of it: keep personal data out "
                "of them (--redact), and train with fewer epochs."
            ),
        )
