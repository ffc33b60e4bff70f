"""How much of its training data an adapter gives away.

It is handed the question and the first third of the answer, of rows that it was trained on and of
rows that it was not. What it remembers it continues word for word; what it has merely understood
it continues in its own words. Rows that it never saw show how much of that is mere manner.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from data.chat import Rendered
from data.wording import _

from .answers import last_answer, last_prompt, trained_spans
from .bootstrap import Estimate, difference
from .effort import Effort
from .likelihood import Likelihood
from .samples import Sample
from .sides import Pair, PairedRows

MOST_ROWS = 8  # continued, of either kind
MOST_TOKENS = 32  # of a continuation
MOST_MEASURED = 16  # trained rows whose loss is measured, and no more than there are unseen ones
SHORTEST = 9  # [tokens] of an answer of which a third and a rest can be told apart
BETWEEN = "\n\0\n"  # answers, in the text that is searched: no copy reaches over it


@dataclass(frozen=True, slots=True)
class Leakage:
    trained_share: float  # of the rest of an answer, reproduced in one piece; mean of the rows
    held_out_share: float
    num_trained: int  # rows continued
    num_held_out: int
    longest_copy: str  # the longest piece of a training answer in an answer to a new question
    usual_copy: int  # [characters] of it in the references to the same questions
    trained: Likelihood  # of rows that were trained on
    shortfall: Estimate  # what unseen answers gained less than trained ones [nats per token]


def leakage_effort(trained: Sequence[Rendered], held_out: Sequence[Rendered]) -> Effort:
    """What `measure_leakage` computes."""
    read = 2 * sum(len(row.token_ids) for row in _measured(trained, held_out))
    what = _("Looking for training answers that come back word for word")
    return Effort(what, read, MOST_TOKENS)


def measure_leakage(
    pair: Pair,
    trained: Sequence[Rendered],
    held_out: Sequence[Rendered],
    unseen: Likelihood,
    shown: Sequence[Sample],
) -> Leakage:
    """Measure the leakage of the pair's adapter; `trained` are all rows that it was trained on."""
    measured = _measured(trained, held_out)
    known = pair.compare(PairedRows(measured, measured))
    end_ids = pair.adapter.renderer.end_ids
    old, new = (evenly(_continuable(rows, end_ids), MOST_ROWS) for rows in (trained, held_out))
    shares = reproduced(pair, [*old, *new])
    corpus = training_text(trained, pair.base.tokenizer)
    copies = [longest_copy(sample.adapter.text, corpus) for sample in shown]
    usual = [longest_copy(sample.reference, corpus) for sample in shown]
    return Leakage(
        trained_share=_mean(shares[: len(old)]),
        held_out_share=_mean(shares[len(old) :]),
        num_trained=len(old),
        num_held_out=len(new),
        longest_copy=max(copies, key=len, default=""),
        usual_copy=max(map(len, usual), default=0),
        trained=known,
        shortfall=difference(unseen.nll.difference, known.nll.difference),
    )


def _measured(trained: Sequence[Rendered], held_out: Sequence[Rendered]) -> list[Rendered]:
    return evenly(trained, min(MOST_MEASURED, len(held_out)))


def reproduced(pair: Pair, rows: Sequence[Rendered]) -> list[float]:
    """The share of each row's answer, from its second third on, that comes back in one piece."""
    #   [ prompt … | first third | the rest, at most MOST_TOKENS … ]
    #     given      given         to be reproduced
    end_ids = pair.adapter.renderer.end_ids
    answers = [last_answer(row, end_ids) for row in rows]
    prompts = [
        (*last_prompt(row), *answer[: len(answer) // 3])
        for row, answer in zip(rows, answers, strict=True)
    ]
    written = pair.write(pair.adapter, prompts, MOST_TOKENS) if prompts else []
    rests = [answer[len(answer) // 3 :][:MOST_TOKENS] for answer in answers]
    decode: Any = pair.base.tokenizer.decode
    texts = [decode(rest, skip_special_tokens=True).strip() for rest in rests]
    return [
        len(longest_copy(answer.text, text)) / max(1, len(text))
        for answer, text in zip(written, texts, strict=True)
    ]


def longest_copy(text: str, corpus: str) -> str:
    """The longest piece of `text` that stands in `corpus`."""
    best = ""
    for begin in range(len(text)):
        while (
            begin + len(best) < len(text) and text[begin : (end := begin + len(best) + 1)] in corpus
        ):
            best = text[begin:end]
    return best


def training_text(rows: Sequence[Rendered], tokenizer: Any) -> str:
    """All trained answers."""
    return BETWEEN.join(
        tokenizer.decode(row.token_ids[begin:end], skip_special_tokens=True)
        for row in rows
        for begin, end in trained_spans(row)
    )


def evenly(rows: Sequence[Rendered], most: int) -> list[Rendered]:
    """Choose at most so many of the rows, from all over them."""
    count = min(most, len(rows))
    return [rows[number * len(rows) // count] for number in range(count)]


def _continuable(rows: Sequence[Rendered], end_ids: Sequence[int]) -> list[Rendered]:
    return [row for row in rows if len(last_answer(row, end_ids)) >= SHORTEST]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))
