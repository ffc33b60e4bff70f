"""Conversations that are too long: named, left out, or their answers cut behind a sentence."""

from typing import Any

import pytest

from data.chat import ChatRenderer
from data.conversation import Conversation, Message
from data.length import check_length, cut_answer, fit, may_exceed

SENTENCES = ["先量血压。", "再来复诊！", "Rest well.", " Drink water?", "\n早睡。", "好……"]


@pytest.fixture
def renderer(make_tokenizer: Any, templates: dict[str, str]) -> ChatRenderer:
    return ChatRenderer(make_tokenizer(templates["chatml"]))


def asked(answer: str, line: int = 1) -> Conversation:
    return Conversation((Message("user", "头晕？"), Message("assistant", answer)), "a.txt", line)


def num_tokens(renderer: ChatRenderer, conversation: Conversation) -> int:
    return len(renderer.render(conversation).token_ids)


def test_what_surely_fits_is_not_counted(renderer: ChatRenderer):
    for number in range(1, 40):
        conversation = asked("血" * number)
        if not may_exceed(conversation, 200):
            assert num_tokens(renderer, conversation) <= 200
    assert not may_exceed(asked("a"), 200)
    assert may_exceed(asked("血" * 100), 200)


def test_an_answer_that_is_too_long_is_named_unless_older_turns_can_go(renderer: ChatRenderer):
    short, long = asked("好。"), asked("好。" * 50)
    size = num_tokens(renderer, short)
    assert check_length(short, renderer, size) is None
    fault = check_length(long, renderer, size)
    assert fault is not None
    assert fault.seen == f"{num_tokens(renderer, long)} tokens in the last question and answer"
    both = Conversation((*long.messages, *short.messages))
    assert check_length(both, renderer, size) is None


@pytest.mark.parametrize("kept", range(1, len(SENTENCES)))
def test_it_is_cut_behind_the_last_sentence_that_fits(renderer: ChatRenderer, kept: int):
    wanted = asked("".join(SENTENCES[:kept]).rstrip())
    cut = cut_answer(asked("".join(SENTENCES)), renderer, num_tokens(renderer, wanted))
    assert cut == wanted


def test_an_answer_whose_first_sentence_is_too_long_cannot_be_cut(renderer: ChatRenderer):
    assert cut_answer(asked("血" * 100 + "。"), renderer, 60) is None


def test_what_is_too_long_is_left_out_or_cut_and_counted(renderer: ChatRenderer):
    one, two, three = asked("好。"), asked("好。" * 50, 3), asked("血" * 100 + "。", 5)
    size = num_tokens(renderer, one) + 3
    kept, faults = fit([one, two, three], renderer, size, "skip")
    assert kept == [one]
    assert [fault.seen.split(":")[0] for fault in faults] == ["2 conversations left out (too long)"]
    kept, faults = fit([one, two, three], renderer, size, "mend")
    assert [each.line for each in kept] == [1, 3]
    assert all(num_tokens(renderer, each) <= size for each in kept)
    assert [fault.seen.split(":")[0] for fault in faults] == [
        "1 conversation mended (an answer that was too long, cut behind a sentence)",
        "1 conversation left out (too long)",
    ]
    kept, faults = fit([one, two, three], renderer, size, "stop")
    assert len(kept) == 3
    assert [(fault.line, fault.severity) for fault in faults] == [(3, "error"), (5, "error")]
