"""Answers in batches, against the same one by one."""

from typing import Any

import pytest

from data.chat import ChatRenderer, Rendered
from data.conversation import Conversation, Message
from finetune.bases.base import Base, load_model
from finetune.evaluation.answers import (
    Answer,
    last_answer,
    last_prompt,
    trained_spans,
    write_answers,
)

QUESTIONS = ["失眠？", "q", "a longer question about the chain of a bicycle", "胃胀，吃一点就饱。"]


@pytest.fixture(scope="module")
def base(make_base: Any) -> Base:
    return Base("tiny", make_base("llama"))


@pytest.fixture(scope="module")
def model(base: Base) -> Any:
    return load_model(base, "fp32", "cpu").eval()


def test_spans_prompt_and_answer_of_a_row_with_two_answers(base: Base):
    renderer = ChatRenderer(base.tokenizer)
    turns = [("user", "q"), ("assistant", "one"), ("user", "r"), ("assistant", "二")]
    messages = tuple(Message(role, text) for role, text in turns)  # pyright: ignore[reportArgumentType] - roles all
    row = renderer.render(Conversation(messages))
    end = base.tokenizer.eos_token
    texts = [base.tokenizer.decode(row.token_ids[a:b]) for a, b in trained_spans(row)]
    assert texts == [f"one{end}", f"二{end}"]
    assert last_prompt(row) == renderer.prompt_ids(messages[:3])
    assert base.tokenizer.decode(last_answer(row, renderer.end_ids)) == "二"
    assert last_answer(Rendered((1, 2, 3), (False, True, True)), (9,)) == (2, 3)


def test_a_batch_answers_as_its_prompts_do_alone(base: Base, model: Any):
    renderer = ChatRenderer(base.tokenizer)
    prompts = [renderer.prompt_ids([Message("user", text)]) for text in QUESTIONS]

    def write(some: list[tuple[int, ...]]) -> list[Answer]:
        return write_answers(model, base.tokenizer, some, renderer.end_ids, 12, "cpu")

    assert write(prompts * 5) == [answer for prompt in prompts for answer in write([prompt])] * 5


def test_an_answer_ends_before_its_end_token_and_with_a_whole_character(base: Base):
    tokenizer = base.tokenizer
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    said = tokenizer.encode("眠", add_special_tokens=False)
    assert len(said) > 1

    class Scripted:
        def generate(self, input_ids: Any, **_: Any) -> Any:
            import torch

            more = [[*said, end, end], [*said, *said[:1], said[0]]]
            return torch.cat([input_ids, torch.tensor([[*each, 0, 0][:5] for each in more])], 1)

    answers = write_answers(Scripted(), tokenizer, [(5, 6), (7,)], [end], 5, "cpu")
    assert answers[0] == Answer("眠", len(said), is_ended=True)
    assert not answers[1].is_ended
    assert "\ufffd" not in answers[1].text[-1:]
