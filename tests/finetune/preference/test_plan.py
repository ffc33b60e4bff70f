"""Whether there is a second stage, and what it would do."""

from pathlib import Path
from typing import Any

import pytest

from data.chat import ChatRenderer
from data.conversation import Conversation, Message
from finetune.errors import ConfigError
from finetune.preference.plan import ENOUGH, Preferences, choose, plan_preferences
from finetune.training.config import TrainConfig
from finetune.training.dataset import DatasetMaker
from finetune.training.plan import make_plan
from finetune.training.rows import TrainingData


def conversation(number: int, **judged: Any) -> Conversation:
    said = (Message("user", f"问题{number}？"), Message("assistant", f"回答{number}。"))
    return Conversation(said, **judged)


def pairs(count: int, other: str = "不知道") -> list[Conversation]:
    return [
        conversation(n, rejected=(Message("assistant", f"{other}{n}。"),)) for n in range(count)
    ]


def ratings(count: int) -> list[Conversation]:
    return [conversation(n, is_good=n % 3 > 0) for n in range(count)]


@pytest.fixture
def plan(make_tokenizer: Any) -> Any:
    renderer = ChatRenderer(make_tokenizer())

    def make(conversations: list[Conversation], **options: Any) -> Preferences | None:
        config = TrainConfig.model_validate(options)
        data = TrainingData(Path("x.jsonl"), conversations)
        dataset = DatasetMaker(config, renderer).prepare(data)
        examples = make_plan(config, [len(row.token_ids) for row in dataset.rows], 64)
        return plan_preferences(config, dataset, renderer, examples)

    return make


def test_auto_learns_from_preferences_where_there_are_enough():
    assert choose("auto", ENOUGH - 1, 0) is None
    assert choose("auto", ENOUGH, ENOUGH) == "dpo"
    assert choose("auto", 0, ENOUGH) == "kto"
    assert choose("auto", 1, ENOUGH) is None  # not of thumbs alone
    assert choose("sft", ENOUGH, ENOUGH) is None
    assert (choose("dpo", 0, 0), choose("kto", 0, 0)) == ("dpo", "kto")


def test_pairs_are_learned_from_once_with_a_twentieth_of_the_rate(plan: Any):
    found = plan(pairs(30), method="dpo", learning_rate=1e-3, batch_size=4)
    assert found.plan.learning_rate == pytest.approx(5e-5)
    assert found.num_judgements == 20
    assert len(found.measuring) == 10
    assert found.plan.num_steps == 5
    assert found.plan.eval_steps == {3, 5}
    assert [row for window in found.plan.windows for row in window] == [*range(40)]
    assert all(
        [found.rows[i].part for i in window] == ["preferred", "other"] * 4
        for window in found.plan.windows
    )


def test_ratings_are_learned_from_eight_a_step_at_least(plan: Any):
    found = plan(ratings(60), method="kto", learning_rate=1e-3, batch_size=4)
    assert found.plan.learning_rate == pytest.approx(2e-5)
    assert found.plan.batch_size == 8
    assert [row.part == "mismatched" for row in found.rows] == [False, True] * found.num_judgements
    good = sum(row.part == "preferred" for row in found.rows)
    bad = found.num_judgements - good
    assert found.judge.weights == (1.0, pytest.approx(good / bad))


def test_bad_answers_are_no_examples(plan: Any, make_tokenizer: Any):
    config = TrainConfig.model_validate({"method": "kto"})
    data = TrainingData(Path("x.jsonl"), ratings(60))
    dataset = DatasetMaker(config, ChatRenderer(make_tokenizer())).prepare(data)
    num_good = sum(bool(each.is_good) for each in (*dataset.judged, *dataset.held_out_judged))
    assert num_good == 40
    assert len(dataset.rows) + len(dataset.held_out) == num_good


@pytest.mark.parametrize(
    ("conversations", "method", "told"),
    [
        (
            [conversation(n) for n in range(30)],
            "dpo",
            r'give rows with "input", "preferred_output"',
        ),
        ([conversation(n) for n in range(30)], "kto", r'"label": true or false'),
        (pairs(6), "dpo", r"needs 5 pairs of answers .* there are \d and \d.*--holdout"),
        (ratings(9), "kto", "needs 5 rated answers"),
        (ratings(30), "dpo", "learns from pairs of answers, and there are none"),
    ],
)
def test_a_method_without_what_it_learns_from_says_what_to_give(
    plan: Any, conversations: list[Conversation], method: str, told: str
):
    with pytest.raises(ConfigError, match=told):
        plan(conversations, method=method)


def test_auto_says_which_bad_answers_it_leaves_out(plan: Any, caplog: pytest.LogCaptureFixture):
    assert plan(ratings(30)) is None
    assert "10 answers that are judged bad are left out" in caplog.text


def test_auto_learns_nothing_from_ratings_that_are_all_the_same(plan: Any):
    assert plan(ratings(ENOUGH)).method == "kto"
    assert plan([conversation(n, is_good=True) for n in range(ENOUGH)]) is None


def test_auto_stays_with_examples_where_nothing_could_show_that_it_helps(
    plan: Any, caplog: pytest.LogCaptureFixture
):
    assert plan(pairs(ENOUGH), max_tokens=60) is not None
    assert not caplog.text
    assert plan(pairs(ENOUGH, other="不知道" * 40), max_tokens=60) is None
    assert "90 judged answers are longer than 60 tokens" in caplog.text
    assert "there are 0 and 0" in caplog.text
