"""What is asked next, and what a saved conversation is."""

import json
from pathlib import Path

import pytest

from data.conversation import Message
from data.reading.reader import read_conversations
from service.client.conversation import TerminalConversation

ANSWER = "宜食百合莲子粥。\n\n早睡。"


def spoken(*turns: tuple[str, str]) -> TerminalConversation:
    conversation = TerminalConversation()
    for question, answer in turns:
        conversation.ask(question)
        conversation.take_answer(answer)
    return conversation


def contents(turns: list[dict[str, str]]) -> list[str]:
    return [turn["content"] for turn in turns]


def test_a_question_without_an_answer_is_forgotten():
    conversation = spoken(("one", "first"))
    assert contents(conversation.ask("two")) == ["one", "first", "two"]
    assert contents(conversation.ask("three")) == ["one", "first", "three"]


def test_the_last_question_is_asked_again_without_its_answer():
    conversation = spoken(("one", "first"), ("two", "second"))
    assert contents(conversation.ask_again()) == ["one", "first", "two"]
    conversation.take_answer("better")
    assert contents(conversation.ask("three")) == ["one", "first", "two", "better", "three"]


def test_a_question_that_failed_can_be_asked_again():
    conversation = spoken(("one", "first"))
    conversation.ask("two")
    assert contents(conversation.ask_again()) == ["one", "first", "two"]


def test_an_answer_stays_until_another_has_come():
    conversation = spoken(("one", "first"))
    conversation.ask_again()
    assert contents(conversation.ask("two")) == ["one", "first", "two"]


def test_a_system_prompt_stands_first_and_outlives_the_conversation():
    conversation = spoken(("one", "first"))
    conversation.system = "Be kind."
    conversation.forget()
    assert (conversation.is_empty, conversation.question) == (True, None)
    assert conversation.ask("two") == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "two"},
    ]


def test_a_saved_row_can_be_trained_on(tmp_path: Path):
    conversation = spoken(("失眠多梦，怎么办？", ANSWER))
    conversation.system = "你是中医。"
    conversation.save(tmp_path / "chat.jsonl")
    (read,) = read_conversations(tmp_path / "chat.jsonl")
    assert list(read.messages) == [
        Message("system", "你是中医。"),
        Message("user", "失眠多梦，怎么办？"),
        Message("assistant", ANSWER),
    ]


def test_any_other_file_is_what_was_said(tmp_path: Path):
    spoken(("失眠？", "早睡。"), ("饮食？", "百合。")).save(tmp_path / "对话.txt")
    assert (tmp_path / "对话.txt").read_text(encoding="utf-8") == (
        "User: 失眠？\nAssistant: 早睡。\nUser: 饮食？\nAssistant: 百合。\n"
    )


def test_a_conversation_is_saved_again_and_nothing_else_is_overwritten(tmp_path: Path):
    conversation = spoken(("one", "first"))
    (tmp_path / "theirs.jsonl").write_text("{}")
    with pytest.raises(FileExistsError, match="Name another"):
        conversation.save(tmp_path / "theirs.jsonl")
    assert (tmp_path / "theirs.jsonl").read_text() == "{}"
    conversation.save(tmp_path / "ours.jsonl")
    conversation.ask("two")
    conversation.take_answer("second")
    conversation.save(tmp_path / "ours.jsonl")
    row = json.loads((tmp_path / "ours.jsonl").read_text())
    assert contents(row["messages"]) == ["one", "first", "two", "second"]
