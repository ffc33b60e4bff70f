"""What is said of which numbers."""

import pytest

from finetune.evaluation.finding import sentence
from finetune.evaluation.likelihood import compare_losses
from finetune.evaluation.usability import Past
from finetune.evaluation.verdict import judge
from finetune.training.loss import AnswerLoss
from tests.finetune.evaluation.measuring import likelihood, measured, steps


def kinds(*arguments: object, **named: object) -> list[str]:
    return [each.kind for each in judge(measured(*arguments, **named), "the base")]  # pyright: ignore[reportArgumentType] - made up here


def test_a_clear_gain_is_better_and_nothing_else():
    findings = judge(measured(), "the base")
    assert [(each.kind, each.tone) for each in findings] == [("better", "good")]
    assert "Whether what it says is right has not been measured" in findings[0].advice
    assert "33% lower" in sentence(findings)
    assert "conversations that it has never seen" in sentence(findings)


def test_what_rows_disagree_on_is_no_better():
    [finding] = judge(measured(likelihood(3.0, 2.97, spread=0.9)), "the base")
    assert finding.kind == "no better"
    assert "no clear difference from the base" in finding.text
    assert "too" in finding.advice  # ten rows are few


def test_a_clear_loss_is_worse():
    [finding] = judge(measured(likelihood(2.0, 2.5), likelihood(2.0, 2.4)), "old@1")
    assert (finding.kind, finding.tone) == ("worse", "bad")
    assert "worse than old@1: its loss is 25% higher" in finding.text


def test_what_only_trained_answers_gain_is_overfitted():
    assert kinds(trained=likelihood(3.0, 0.5)) == ["better", "overfitted"]
    assert kinds(trained=likelihood(3.0, 1.2)) == ["better"]
    wide = likelihood(3.0, 2.9, spread=2.0), likelihood(3.0, 2.7, spread=2.0)
    assert kinds(*wide) == ["no better"]  # the shortfall may be an accident


def test_a_held_out_loss_that_rose_again_is_overfitted():
    findings = judge(measured(), "the base", Past(62, steps([2.5, 2.0, 2.3])))
    assert [each.kind for each in findings] == ["better", "overfitted"]
    assert "fell to 2.00 and rose again to 2.30" in findings[1].text
    assert len(judge(measured(), "the base", Past(62, steps([2.5, 2.0, 2.05])))) == 1


def test_forgetting_is_told_by_language():
    general = {"English": likelihood(3.0, 3.6), "Chinese": likelihood(3.0, 3.1)}
    findings = judge(measured(general=general), "the base")
    assert [each.kind for each in findings] == ["better", "forgets"]
    assert "English" in findings[1].text
    assert "20% higher" in findings[1].text
    unsure = {"English": likelihood(3.0, 3.4, spread=1.5)}
    assert kinds(general=unsure) == ["better"]


@pytest.mark.parametrize(
    ("shares", "expected"), [((0.8, 0.1), True), ((0.8, 0.7), False), ((0.4, 0.0), False)]
)
def test_memorising_is_reciting_what_was_trained_and_not_what_was_held_out(
    shares: tuple[float, float], expected: bool
):
    assert ("memorises" in kinds(shares=shares)) is expected


def test_several_verdicts_hold_at_once():
    found = kinds(
        trained=likelihood(3.0, 0.4),
        shares=(0.9, 0.1),
        general={"Chinese": likelihood(3.0, 4.0)},
    )
    assert found == ["better", "overfitted", "forgets", "memorises"]


def test_a_handful_of_conversations_tells_nothing():
    few = compare_losses(
        AnswerLoss((9.0,) * 4, (3,) * 4), AnswerLoss((3.0,) * 4, (3,) * 4), [5] * 4
    )
    [finding] = judge(measured(few), "the base")
    assert finding.kind == "unclear"
    assert "too few to tell" in finding.text
