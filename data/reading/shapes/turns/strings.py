"""Turns that are strings: each with a role word at its head, or question and answer by turns."""

import reprlib
from collections.abc import Sequence
from typing import Any

from data.conversation import Message, Role
from data.reading.shapes.labels import read_head
from data.reading.shapes.row import EMPTY, Remark, Row
from data.wording import _

from .roles import find_speaker

TAKEN_BY_TURNS = "strings by turns"
SHOWN = 40  # [characters]
BY_TURNS: tuple[Role, Role] = ("user", "assistant")


def read_strings(texts: Sequence[str], at: str, row: Row, *, may_lack_words: bool) -> list[Message]:
    """Role words at some heads alone are a fault: they may be words of the text."""
    heads = [read_head(text) for text in texts]
    if all(heads):
        turns: list[tuple[Role, str]] = [(head.role, head.text) for head in heads if head]
    elif any(heads) or not may_lack_words:
        number = next(number for number, head in enumerate(heads) if not head)
        seen = _("{text} without a role word before it").format(text=reprlib.repr(texts[number]))
        expected = _("a role word and a colon, such as 问： or User:")
        row.refuse(f"{at}[{number}]", seen, expected)
        return []
    elif len(texts[0]) > 1 and find_speaker(texts[0]):
        seen = _("{turn}, a speaker and what is said").format(turn=reprlib.repr([*texts]))
        row.refuse(at, seen, _("an object with role and content"))
        return []
    else:
        if len(texts) > 2:  # two are a question and its answer; more may be questions alone
            row.remarks.append(Remark(TAKEN_BY_TURNS, texts[0][:SHOWN]))
        turns = [(BY_TURNS[number % 2], text) for number, text in enumerate(texts)]
    return [_turn(role, text, f"{at}[{n}]", row) for n, (role, text) in enumerate(turns)]


def _turn(role: Role, text: str, at: str, row: Row) -> Message:
    if not text.strip():
        row.refuse(at, _(EMPTY), _("text"))
    return Message(role, text.strip())


def are_labelled(values: Sequence[Any]) -> bool:
    return bool(values) and all(isinstance(value, str) and read_head(value) for value in values)
