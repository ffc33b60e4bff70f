"""Loss, perplexity, bits per character and their intervals, against numbers done by hand."""

import math
import random
from typing import Any

import pytest

from data.chat import ChatRenderer
from data.conversation import Conversation, Message
from finetune.bases.base import Base
from finetune.evaluation.bootstrap import Estimate, difference, estimate
from finetune.evaluation.likelihood import compare_losses, count_characters
from finetune.training.loss import AnswerLoss
from finetune.training.rows import build_rows

BASELINE = AnswerLoss((8.0, 12.0), (4, 6))
ADAPTER = AnswerLoss((4.0, 11.0), (4, 6))


def mean(loss: float, tokens: float) -> float:
    return loss / tokens


def test_the_measures_are_those_done_by_hand():
    found = compare_losses(BASELINE, ADAPTER, [3, 7])
    assert (found.num_rows, found.num_tokens, found.num_characters) == (2, 10, 10)
    assert found.nll.baseline.value == pytest.approx(2.0)
    assert found.nll.adapter.value == pytest.approx(1.5)
    assert found.nll.difference.value == pytest.approx(-0.5)
    assert found.perplexity.baseline.value == pytest.approx(math.e**2)
    assert found.perplexity.difference.value == pytest.approx(math.e**1.5 - math.e**2)
    assert found.bits_per_character.baseline.value == pytest.approx(20 / math.log(2) / 10)
    assert found.bits_per_character.adapter.value == pytest.approx(15 / math.log(2) / 10)
    assert found.gain.value == pytest.approx(0.25)
    assert found.rise.value == pytest.approx(-0.25)
    assert found.rise.low == -found.gain.high <= found.rise.high == -found.gain.low


def test_bits_per_character_do_not_depend_on_how_text_is_cut_into_tokens():
    fine = AnswerLoss(BASELINE.sums, (12, 18))
    one, other = (compare_losses(each, each, [3, 7]) for each in (BASELINE, fine))
    assert one.bits_per_character == other.bits_per_character
    assert one.perplexity.baseline.value > other.perplexity.baseline.value


def test_hopeless_and_perfect_losses_have_finite_measures():
    found = compare_losses(AnswerLoss((0.0, 0.0), (1, 1)), AnswerLoss((1e6, 1e6), (1, 1)), [1, 0])
    assert math.isfinite(found.perplexity.adapter.value)
    assert math.isfinite(found.gain.low)


def test_an_interval_is_that_of_a_slow_bootstrap():
    chooser = random.Random(1)
    losses = [chooser.uniform(10, 30) for _ in range(12)]
    tokens = [chooser.randint(5, 15) for _ in range(12)]
    drawn: list[float] = []
    for _ in range(20_000):
        rows = chooser.choices(range(12), k=12)
        drawn.append(sum(losses[row] for row in rows) / sum(tokens[row] for row in rows))
    drawn.sort()
    found = estimate(mean, losses, tokens)
    assert found.value == pytest.approx(sum(losses) / sum(tokens))
    assert found.low == pytest.approx(drawn[500], rel=0.02)
    assert found.high == pytest.approx(drawn[19_500], rel=0.02)


def test_pairing_makes_the_difference_surer_than_either_side():
    levels = [1.0, 2.0, 3.0, 4.0, 5.0]
    found = compare_losses(
        AnswerLoss(tuple(10 * level for level in levels), (10,) * 5),
        AnswerLoss(tuple(10 * level - 1 for level in levels), (10,) * 5),
        [10] * 5,
    )
    assert found.nll.adapter.high - found.nll.adapter.low > 1
    for bound in (found.nll.difference.low, found.nll.difference.high):
        assert bound == pytest.approx(-0.1)


def test_one_row_and_equal_rows_have_an_interval_of_no_width():
    assert estimate(mean, [3.0], [2]) == Estimate(1.5, 1.5, 1.5)
    assert estimate(mean, [3.0] * 4, [2] * 4) == Estimate(1.5, 1.5, 1.5)


def test_the_interval_of_an_independent_difference_adds_squares():
    found = difference(Estimate(5.0, 2.0, 8.0), Estimate(1.0, -3.0, 5.0))
    assert found == Estimate(4.0, -1.0, 9.0)


@pytest.mark.parametrize("template", ["chatml", "llama2"])
def test_characters_are_those_of_trained_answers(
    template: str, make_base: Any, templates: dict[str, str]
):
    base = Base("tiny", make_base("llama", templates[template]))
    first = (Message("user", "失眠？"), Message("assistant", "多属心脾两虚。"))
    conversations = [
        Conversation(first),
        Conversation(
            (
                Message("user", "q"),
                Message("assistant", "left out", trained=False),
                Message("user", "r"),
                Message("assistant", "four"),
            )
        ),
        Conversation((*first, Message("user", "q"), Message("assistant", "ab"))),
    ]
    rows, _ = build_rows(conversations, ChatRenderer(base.tokenizer), 512)
    assert count_characters(rows, base.tokenizer) == [7, 4, 9]
