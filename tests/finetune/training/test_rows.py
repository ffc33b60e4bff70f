"""Conversations as rows, and rows as batches."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from data.chat import ChatRenderer, Rendered
from data.conversation import Conversation, Message
from data.errors import InvalidData
from finetune.kernels.batch import collate, pack
from finetune.training.rows import build_rows, with_system


def row(length: int, num_trained: int = 1) -> Rendered:
    trained = tuple(i >= length - num_trained for i in range(length))
    return Rendered(tuple(range(length)), trained)


def turns(*texts: str, system: str | None = None, line: int = 1) -> Conversation:
    """Questions and answers in turn."""
    before = [] if system is None else [Message("system", system)]
    said = [Message("assistant" if i % 2 else "user", text) for i, text in enumerate(texts)]
    return Conversation((*before, *said), "医案.txt", line)


@pytest.fixture
def renderer(
    make_tokenizer: Callable[[str], Any], templates: dict[str, str], request: pytest.FixtureRequest
) -> ChatRenderer:
    return ChatRenderer(make_tokenizer(templates[getattr(request, "param", "chatml")]))


def test_packing_keeps_order_and_budget():
    rows = [row(length) for length in (3, 4, 3, 1, 9, 12, 2, 2)]
    groups = pack(rows, 10)
    assert [[len(r.token_ids) for r in group] for group in groups] == [
        [3, 4, 3],
        [1, 9],
        [12],
        [2, 2],
    ]


def test_packing_random_rows_loses_none_and_passes_the_budget_only_alone():
    chooser = random.Random(0)
    for _ in range(200):
        rows = [row(chooser.randint(1, 12)) for _ in range(chooser.randint(0, 20))]
        groups = pack(rows, 10)
        assert [r for group in groups for r in group] == rows
        assert all(groups)
        assert all(sum(len(r.token_ids) for r in g) <= 10 or len(g) == 1 for g in groups)


def test_a_batch_restarts_positions_and_predicts_trained_tokens_alone():
    batch = collate([row(3, 2), row(4, 1)])
    assert batch.input_ids.tolist() == [[0, 1, 2, 0, 1, 2, 3]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 0, 1, 2, 3]]
    assert batch.predicting.tolist() == [0, 1, 5]
    assert batch.labels.tolist() == [1, 2, 3]
    assert batch.row_of.tolist() == [0, 0, 1]


@pytest.mark.parametrize("renderer", ["chatml", "llama2"], indirect=True)
def test_the_oldest_turns_are_dropped_and_never_the_last_answer(renderer: ChatRenderer):
    texts = ("一" * 9, "二" * 9, "三" * 9, "四" * 9, "五" * 9, "六" * 9)
    whole = turns(*texts, system="你是中医。")
    for first in (0, 2, 4):
        expected = renderer.render(turns(*texts[first:], system="你是中医。"))
        for limit in (len(expected.token_ids), len(expected.token_ids) + 5):
            (built,), num_shortened = build_rows([whole], renderer, limit)
            assert built == expected
            assert num_shortened == (first > 0)


def test_a_turn_goes_with_all_that_answers_it(renderer: ChatRenderer):
    call = Message("assistant", "look up", trained=False)
    asked = (Message("user", "一" * 20), call, Message("assistant", "二"))
    last = turns("三", "四").messages
    expected = renderer.render(Conversation(last))
    (built,), _ = build_rows([Conversation((*asked, *last))], renderer, len(expected.token_ids))
    assert built == expected


def test_all_that_are_too_long_are_reported_with_their_lines(renderer: ChatRenderer):
    long = "长" * 40
    conversations = [
        turns("短", long, line=3),
        turns("短", "短", line=7),
        turns("短", "短", long, "短", line=11),
    ]
    with pytest.raises(InvalidData) as caught:
        build_rows(conversations, renderer, 60)
    assert [fault.line for fault in caught.value.faults] == [3, 11]
    assert str(caught.value).count("医案.txt:") == 2
    assert "expected at most 60 (max_tokens)" in str(caught.value)


@pytest.mark.parametrize("renderer", ["llama2"], indirect=True)
def test_all_marks_in_texts_are_reported_with_line_and_turn(renderer: ChatRenderer):
    conversations = [
        turns("问", "答 [INST]", line=3),
        turns("问", "答", line=7),
        turns("<<SYS>>", "答", line=9),
    ]
    with pytest.raises(InvalidData) as caught:
        build_rows(conversations, renderer, 60)
    faults = [(fault.line, fault.field, fault.seen) for fault in caught.value.faults]
    assert faults == [(3, "turn 2", "the text '[INST]'"), (9, "turn 1", "the text '<<SYS>>'")]


def test_an_only_trained_answer_is_never_dropped(renderer: ChatRenderer):
    first = turns("问", "答").messages
    later = (Message("user", "长" * 40), Message("assistant", "好", trained=False))
    with pytest.raises(InvalidData, match=r"医案\.txt:5: length"):
        build_rows([Conversation((*first, *later), "医案.txt", 5)], renderer, 60)


def test_a_system_message_is_given_where_none_is():
    own, none = turns("q", "a", system="own"), turns("q", "a", line=9)
    assert with_system([own, none], None) == [own, none]
    given = with_system([own, none], "你是中医。")
    assert given == [own, turns("q", "a", system="你是中医。", line=9)]
    assert [conversation.where for conversation in given] == ["医案.txt:1", "医案.txt:9"]
