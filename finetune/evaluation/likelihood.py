"""How well two models predict the same answers: in nats, as perplexity, in bits a character."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from data.chat import Rendered
from finetune.training.loss import AnswerLoss

from .answers import trained_spans
from .bootstrap import Estimate, estimate

LOWEST = 1e-6  # [nats] of loss that anything is divided by
HIGHEST = 50.0  # [nats] that perplexity is computed of; e^50 is hopeless enough


@dataclass(frozen=True, slots=True)
class Paired:
    """A measure of both sides; the difference's interval is of the same draws of rows."""

    baseline: Estimate
    adapter: Estimate
    difference: Estimate  # adapter - baseline


@dataclass(frozen=True, slots=True)
class Likelihood:
    """What both sides make of some rows' answers. Lower is better, but for `gain`."""

    num_rows: int
    num_tokens: int  # trained ones: of the answers, with their end tokens
    num_characters: int  # of the answers
    nll: Paired  # mean negative log-likelihood [nats per answer token]
    perplexity: Paired  # e^nll
    bits_per_character: Paired  # does not depend on how a tokenizer cuts text
    gain: Estimate  # how much lower the adapter's loss is, as a share of the baseline's

    @property
    def rise(self) -> Estimate:
        """How much higher the adapter's loss is, as a share of the baseline's."""
        return Estimate(-self.gain.value, -self.gain.high, -self.gain.low)


def compare_losses(
    baseline: AnswerLoss, adapter: AnswerLoss, characters: Sequence[int]
) -> Likelihood:
    """Both on the same rows, in the same order; `characters` are those of each row's answers."""
    per_token = _paired(_mean, baseline, adapter, baseline.counts, adapter.counts)
    gain = estimate(_gain, baseline.sums, adapter.sums)
    return Likelihood(
        num_rows=len(characters),
        num_tokens=sum(adapter.counts),
        num_characters=sum(characters),
        nll=per_token,
        perplexity=_paired(_perplexity, baseline, adapter, baseline.counts, adapter.counts),
        bits_per_character=_paired(_bits, baseline, adapter, characters, characters),
        gain=gain,
    )


def count_characters(rows: Sequence[Rendered], tokenizer: Any) -> list[int]:
    """Count the characters of each row's trained answers, as text."""
    return [
        sum(
            len(tokenizer.decode(row.token_ids[start:end], skip_special_tokens=True).strip())
            for start, end in trained_spans(row)
        )
        for row in rows
    ]


def _paired(
    measure: Callable[[float, float], float],
    baseline: AnswerLoss,
    adapter: AnswerLoss,
    baseline_counts: Sequence[int],
    adapter_counts: Sequence[int],
) -> Paired:
    def difference(loss: float, count: float, other_loss: float, other_count: float) -> float:
        return measure(other_loss, other_count) - measure(loss, count)

    return Paired(
        estimate(measure, baseline.sums, baseline_counts),
        estimate(measure, adapter.sums, adapter_counts),
        estimate(difference, baseline.sums, baseline_counts, adapter.sums, adapter_counts),
    )


def _mean(loss: float, tokens: float) -> float:
    return loss / tokens


def _perplexity(loss: float, tokens: float) -> float:
    return math.exp(min(loss / tokens, HIGHEST))


def _bits(loss: float, characters: float) -> float:
    """Nats to bits, by the character."""
    return loss / math.log(2) / max(characters, 1)


def _gain(loss: float, other_loss: float) -> float:
    return 1 - other_loss / max(loss, LOWEST)
