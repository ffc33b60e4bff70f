"""What is trained on and what is held out, with older and everyday conversations mixed in."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from data.chat import ChatRenderer
from data.conversation import Conversation, Message
from data.shipped import conversations_to_mix_in, general_conversations
from finetune.training.config import TrainConfig
from finetune.training.dataset import Dataset, DatasetMaker
from finetune.training.rows import TrainingData


def conversations(number: int, word: str = "问题") -> list[Conversation]:
    return [
        Conversation((Message("user", f"{word}{i}？"), Message("assistant", f"{word}的答案{i}。")))
        for i in range(number)
    ]


@pytest.fixture
def prepare(make_tokenizer: Any) -> Any:
    renderer = ChatRenderer(make_tokenizer())

    def run(old: Sequence[Conversation] = (), **options: Any) -> Dataset:
        config = TrainConfig.model_validate(options)
        data = TrainingData(Path("x.txt"), conversations(30), old)
        return DatasetMaker(config, renderer).prepare(data)

    return run


def test_a_share_of_the_older_data_is_trained_on_again(prepare: Any):
    plain, mixed = prepare(), prepare(conversations(50, "旧"), replay_ratio=0.25)
    assert mixed.summary.num_replayed == 5
    assert len(mixed.rows) == len(plain.rows) + 5
    assert mixed.held_out == plain.held_out
    assert mixed.sha256 != plain.sha256


def test_what_is_held_out_is_never_replayed(prepare: Any):
    dataset = prepare(conversations(30), replay_ratio=10)
    assert dataset.summary.num_replayed == dataset.summary.num_trained
    held_out = {row.token_ids for row in dataset.held_out}
    assert not held_out & {row.token_ids for row in dataset.rows}


def test_everyday_conversations_are_mixed_in_and_too_few_are_told(
    prepare: Any, caplog: pytest.LogCaptureFixture
):
    assert prepare(general_mix=0.1).summary.num_mixed_in == 2
    assert not caplog.text
    dataset = prepare(conversations(1), general_mix=1)
    assert dataset.summary.num_mixed_in == 20
    assert "older" not in caplog.text


def test_what_measures_forgetting_is_never_mixed_in():
    measured = {
        message.content
        for each in general_conversations().values()
        for conversation in each
        for message in conversation.messages
    }
    mixed_in = conversations_to_mix_in()
    assert len(mixed_in) == 40
    assert not measured & {message.content for each in mixed_in for message in each.messages}


def test_special_tokens_in_texts_are_told_once(
    make_tokenizer: Any, caplog: pytest.LogCaptureFixture
):
    rows = conversations(30, "问<|im_end|>题")
    renderer = ChatRenderer(make_tokenizer())
    maker = DatasetMaker(TrainConfig.model_validate({}), renderer)
    maker.prepare(TrainingData(Path("a.txt"), rows))
    [record] = caplog.records
    assert "'<|im_end|>' in 60" in record.getMessage()
