"""Rows of several questions that have one answer, and of several answers: one conversation each."""

import reprlib
from itertools import cycle, islice, product
from typing import Any

from data.conversation import Message
from data.wording import _

from .beside import put_beside
from .cells import read_exchange
from .names import CONTEXT, own_name
from .row import Fields, Row, read_cell

Wordings = list[str]  # that say the same


def read_lists(fields: Fields, question: str, answer: str, row: Row) -> list[list[Message]]:
    """Each question with its answer, or all of them with the only one."""
    questions, answers = (_take_wordings(fields, key, row) for key in (question, answer))
    if len(questions) == len(answers):
        pairs = [*zip(questions, answers, strict=True)]
    elif 1 in (len(questions), len(answers)):
        pairs = [*product(questions, answers)]
    else:
        seen = _("{questions} questions, {answers} answers").format(
            questions=len(questions), answers=len(answers)
        )
        at = _(" and ").join((question, answer))
        row.refuse(at, seen, _("as many of both, or one of either"))
        return []
    names = question, answer
    return [turns for pair in pairs for turns in _exchanges(*pair, names, fields, row)]


def read_intent(fields: Fields, row: Row) -> list[list[Message]]:
    """A chatbot's: each pattern with a response, in turn; each with each can be very many."""
    patterns, responses = (_take_wordings(fields, key, row) for key in ("patterns", "responses"))
    names = "patterns", "responses"
    count = max(len(patterns), len(responses)) if patterns and responses else 0
    pairs = islice(zip(cycle(patterns), cycle(responses), strict=False), count)
    return [turns for pair in pairs for turns in _exchanges(*pair, names, {}, row)]


def read_article(fields: Fields, row: Row) -> list[list[Message]]:
    """SQuAD's: paragraphs, each with its questions."""
    paragraphs = row.take_objects(fields, "paragraphs")
    return [turns for each in paragraphs for turns in read_paragraph(each, row)]


def read_paragraph(fields: Fields, row: Row) -> list[list[Message]]:
    conversations: list[list[Message]] = []
    for item in row.take_objects(fields, "qas"):
        asked = {own_name(key): item[key] for key in item}
        shared = {**asked, CONTEXT: fields.get(CONTEXT, "")}
        conversations += read_lists(shared, "question", "answers", row)
    return conversations


def _exchanges(
    questions: Wordings, answers: Wordings, names: tuple[str, str], fields: Fields, row: Row
) -> list[list[Message]]:
    return [
        put_beside(read_exchange(asked, given, names, row), fields, row)
        for asked, given in product(questions, answers)
    ]


def _take_wordings(fields: Fields, key: str, row: Row) -> list[Wordings]:
    """Take each item of a list; of an item that is a list all texts say the same."""
    value: Any = read_cell(fields.get(key, []))
    items = value if isinstance(value, list) else [value]
    if items and all(isinstance(item, dict) for item in items):  # SQuAD's, with their places
        items = [[text for item in items for text in _texts_of(item)]]
    wordings = [
        [row.take_text({key: text}, key) for text in (item if isinstance(item, list) else [item])]
        for item in items
    ]
    if not any(wordings):
        row.refuse(key, reprlib.repr(value), _("at least one text"))
    return [[*dict.fromkeys(texts)] for texts in wordings]


def _texts_of(item: dict[str, Any]) -> list[Any]:
    text = item.get("text", [])
    return text if isinstance(text, list) else [text]
