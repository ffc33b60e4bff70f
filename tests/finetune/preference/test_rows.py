"""Judged answers as rows: what is learned from is what a server would have asked and answered."""

from typing import Any

import pytest

from data.chat import ChatRenderer
from data.conversation import Conversation, Message
from finetune.preference.rows import in_steps, render_pairs, render_ratings, with_mismatched

ASKED = (
    Message("user", "我失眠"),
    Message("assistant", "多久了？", trained=False),
    Message("user", "一周"),
)


def pair(number: int = 0) -> Conversation:
    return Conversation(
        (*ASKED, Message("assistant", f"早睡{number}。")),
        rejected=(Message("assistant", f"不知道，{number}。"),),
    )


def rated(number: int, *, is_good: bool) -> Conversation:
    said = (Message("user", f"问{number}"), Message("assistant", f"答{number}。"))
    return Conversation((*said, Message("user", "还有？"), said[1]), is_good=is_good)


@pytest.fixture(scope="module")
def renderer(make_tokenizer: Any) -> ChatRenderer:
    return ChatRenderer(make_tokenizer())


def test_both_answers_of_a_pair_follow_the_prompt_that_a_server_renders(renderer: ChatRenderer):
    [(preferred, other)] = render_pairs([pair()], renderer, 512)
    prompt = renderer.prompt_ids(ASKED)
    for row in (preferred, other):
        assert row.token_ids[: len(prompt)] == prompt
        assert row.trained.index(True) == len(prompt)
    assert (preferred.part, other.part) == ("preferred", "other")
    assert preferred.token_ids != other.token_ids


def test_of_a_rated_conversation_the_last_answer_alone_is_judged(renderer: ChatRenderer):
    [(good,), (bad,)] = render_ratings(
        [rated(1, is_good=True), rated(2, is_good=False)], renderer, 512
    )
    prompt = renderer.prompt_ids(rated(1, is_good=True).messages[:-1])
    assert good.trained.index(True) == len(prompt)
    assert (good.part, bad.part) == ("preferred", "other")


def test_a_mismatched_answer_stands_behind_the_question_of_another(renderer: ChatRenderer):
    ratings = render_ratings([rated(n, is_good=True) for n in range(3)], renderer, 512)
    rows = with_mismatched(ratings)
    for number, (own, mismatched) in enumerate(rows):
        begin = own.trained.index(True)
        before = rows[number - 1][0]
        assert mismatched.token_ids[:begin] == own.token_ids[:begin]
        answer = before.token_ids[before.trained.index(True) :]
        assert mismatched.token_ids[begin:] == answer
        assert mismatched.num_trained == before.num_trained
        assert mismatched.part == "mismatched"


def test_steps_have_every_judgement_once_and_no_step_has_one_alone(renderer: ChatRenderer):
    ratings = render_ratings([rated(n, is_good=True) for n in range(9)], renderer, 512)
    steps = in_steps(ratings, 4, seed=1)
    assert [len(step) for step in steps] == [4, 5]
    assert {each for step in steps for each in step} == {*ratings}
    assert steps == in_steps(ratings, 4, seed=1) != in_steps(ratings, 4, seed=2)


def test_what_is_too_long_is_left_out_whole_and_counted(
    renderer: ChatRenderer, caplog: pytest.LogCaptureFixture
):
    [(preferred, other)] = render_pairs([pair()], renderer, 512)
    limit = max(len(preferred.token_ids), len(other.token_ids))
    assert len(render_pairs([pair()], renderer, limit)) == 1
    assert not caplog.text
    assert render_pairs([pair()], renderer, limit - 1) == []
    assert "1 judged answers are longer than" in caplog.text
