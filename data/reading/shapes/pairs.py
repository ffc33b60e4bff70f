"""A question and its answer in two fields, with what may stand beside them."""

import reprlib
from typing import Any

from data.conversation import Message
from data.wording import _

from .beside import take_system, with_context
from .cells import read_exchange, take_answer, take_question
from .names import CONTEXT, HISTORY, INPUT, TITLE
from .row import Fields, Row, read_cell
from .turns import is_turns, read_turns


def read_pair(fields: Fields, question: str, answer: str, row: Row) -> list[Message]:
    if question == CONTEXT and is_turns(fields.get(CONTEXT)):
        *earlier, asked = fields[CONTEXT]
        fields = {**fields, HISTORY: earlier, CONTEXT: asked}
    messages = [*take_system(fields, row), *_take_history(fields, row)]
    cell = take_question(_take_text(fields, question, row), question, row)
    messages += cell.messages if question == CONTEXT else with_context(cell.messages, fields, row)
    given = row.take_text(fields, answer)
    return messages + take_answer(given, cell, answer, row).messages


def _take_text(fields: Fields, question: str, row: Row) -> str:
    """A question with the text it is about, as Alpaca's input; the title asks where it is empty."""
    given = "" if question == INPUT else row.take_text(fields, INPUT, may_be_empty=True)
    title = row.take_text(fields, TITLE, may_be_empty=True)
    asked = row.take_text(fields, question, may_be_empty=bool(given or title))
    return f"{asked or title}\n{given}".strip()


def _take_history(fields: Fields, row: Row) -> list[Message]:
    """Earlier turns: [question, answer] pairs, or turns as conversations have them."""
    history: Any = read_cell(fields.get(HISTORY) or [])
    if not isinstance(history, list):
        row.refuse(HISTORY, reprlib.repr(history), _("a list of [question, answer] pairs"))
        return []
    if history and is_turns(history):
        return read_turns(history, HISTORY, row)
    return [turn for n, pair in enumerate(history) for turn in _read_pair(pair, n, row)]


def _read_pair(pair: Any, number: int, row: Row) -> list[Message]:
    at = f"{HISTORY}[{number}]"
    if not isinstance(pair, list) or len(pair) != 2:
        row.refuse(at, reprlib.repr(pair), "[question, answer]")
        return []
    sides: Fields = {"question": pair[0], "answer": pair[1]}
    names = f"{at}.question", f"{at}.answer"
    asked, given = (row.take_text(sides, key, f"{at}.") for key in sides)
    return read_exchange(asked, given, names, row)
