"""The report's numbers as rows of tables, each with one sentence on what it means."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from data.wording import N_, _

from .bootstrap import Estimate
from .compare import Measured
from .leakage import Leakage
from .likelihood import Likelihood, Paired
from .samples import Samples


@dataclass(frozen=True, slots=True)
class TableCell:
    text: str
    interval: str = ""


@dataclass(frozen=True, slots=True)
class TableRow:
    name: str
    meaning: str
    cells: Sequence[TableCell]  # as many as the table has columns


def likelihood_rows(likelihood: Likelihood) -> list[TableRow]:
    """Columns: baseline, adapter, difference."""
    return [
        TableRow(
            _("Loss per token"),
            _("How surprised it is by each piece of the right answer, in nats. Lower is better."),
            _pair(likelihood.nll, ".3f"),
        ),
        TableRow(
            _("Perplexity"),
            _("The same as a number of choices: among how many pieces it wavers at every step."),
            _pair(likelihood.perplexity, ".2f"),
        ),
        TableRow(
            _("Bits per character"),
            _("The same for each letter of the text: the one to compare different base models by."),
            _pair(likelihood.bits_per_character, ".3f"),
        ),
    ]


def general_rows(measured: Measured) -> list[TableRow]:
    """Columns: baseline, adapter, change."""
    return [
        TableRow(
            _("{language}, loss per token").format(language=_(language)),
            _("On {count} everyday questions that come with lora-chat.").format(
                count=likelihood.num_rows
            ),
            (
                *_pair(likelihood.nll, ".3f")[:2],
                _cell(likelihood.rise, percent),
            ),
        )
        for language, likelihood in measured.general.items()
    ]


def score_rows(samples: Samples) -> list[TableRow]:
    """Columns: baseline, adapter."""
    sides = samples.baseline, samples.adapter
    return [
        TableRow(
            _(name), _(meaning), [TableCell(form.format(getattr(side, key))) for side in sides]
        )
        for key, name, form, meaning in (
            (
                "chrf",
                N_("chrF"),
                "{:.1f}",
                N_("Groups of letters shared with the reference, 0 to 100."),
            ),
            (
                "bleu",
                N_("BLEU"),
                "{:.1f}",
                N_("Groups of words (in Chinese: characters) shared, 0 to 100."),
            ),
            (
                "rouge_l",
                N_("ROUGE-L"),
                "{:.1f}",
                N_("The longest sequence in the same order, 0 to 100."),
            ),
            (
                "stop_rate",
                N_("Stop rate"),
                "{:.0%}",
                N_("Answers that came to an end by themselves."),
            ),
            (
                "length_ratio",
                N_("Length"),
                "{:.0%}",
                N_("Of the references' length; equal is 100%."),
            ),
        )
    ]


def leakage_rows(leakage: Leakage, unseen: Likelihood) -> list[TableRow]:
    """Columns: answers trained on, new answers."""
    return [
        TableRow(
            _("Recited"),
            _(
                "Given the question and a third of the answer, how much of the rest comes back in "
                "one piece. The more the first column exceeds the second, the more it knows by "
                "heart."
            ),
            [
                TableCell(f"{leakage.trained_share:.0%}", _answers(leakage.num_trained)),
                TableCell(f"{leakage.held_out_share:.0%}", _answers(leakage.num_held_out)),
            ],
        ),
        TableRow(
            _("Loss per token"),
            _(
                "The adapter's. A large gap between the columns means that it fits its training "
                "answers more than their subject."
            ),
            [_cell(each.nll.adapter, "{:.3f}".format) for each in (leakage.trained, unseen)],
        ),
        TableRow(
            _("Change of the loss"),
            _(
                "What training changed. The nearer the second column comes to the first, the more "
                "of what it learned carries over to new questions."
            ),
            [_cell(each.nll.difference, signed) for each in (leakage.trained, unseen)],
        ),
    ]


def _answers(count: int) -> str:
    return _("{count} answers").format(count=count)


def signed(value: float, form: str = "+.3f") -> str:
    return f"{value:{form}}".replace("-", "−")


def percent(value: float) -> str:
    return signed(value, "+.1%")


def _pair(paired: Paired, form: str) -> tuple[TableCell, TableCell, TableCell]:
    return (
        _cell(paired.baseline, lambda value: format(value, form)),
        _cell(paired.adapter, lambda value: format(value, form)),
        _cell(paired.difference, lambda value: signed(value, f"+{form}")),
    )


def _cell(estimate: Estimate, form: Callable[[float], str]) -> TableCell:
    return TableCell(
        form(estimate.value),
        _("{low} to {high}").format(low=form(estimate.low), high=form(estimate.high)),
    )
