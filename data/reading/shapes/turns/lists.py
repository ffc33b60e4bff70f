"""Lists of turns, whatever a turn is: an object with its speaker, a pair, or a string."""

import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from data.conversation import Message
from data.reading.shapes.accepted import show_keys
from data.reading.shapes.cells import read_exchange
from data.reading.shapes.names import find_pair, own_name
from data.reading.shapes.row import Fields, Remark, Row, is_filled, read_cell
from data.wording import N_, _

from .message import OF_TURNS, ROLE_KEYS, is_message, read_message
from .strings import are_labelled, read_strings
from .templates import read_text

SENTENCE = "sentence"  # less than a turn
TURNS = N_("a list of objects with role and content, or from and value; or of strings")
# MOSS writes its own around each text: <|Human|>: … <eoh>
FRAME = re.compile(r"\A<\|[\w ]+\|>:\s*|\s*<eo[a-z]>\s*\Z")
TURN = N_(
    "role and content, from and value, or a question and an answer such as human and assistant"
)


def is_turns(value: Any) -> bool:
    """Whether a list says of itself that its items are the turns of one conversation, or may be."""
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(each, str) for each in value) or all(map(is_message, value))


def are_sure_turns(value: Any) -> bool:
    """Whether nothing else can be meant: each item says who speaks."""
    return is_turns(value) and (are_labelled(value) or all(map(is_message, value)))


def read_turns(value: Any, at: str, row: Row, *, may_lack_words: bool = True) -> list[Message]:
    """`may_lack_words` where strings may be question and answer by turns."""
    given = read_cell(value)
    if isinstance(given, str):
        return read_text(given, at, row)
    turns = _as_list(given)
    if turns is None:
        row.refuse(at, reprlib.repr(value), _(TURNS))
        return []
    if turns and all(isinstance(each, str) for each in turns):
        return read_strings(turns, at, row, may_lack_words=may_lack_words)
    read = [turn for n, each in enumerate(turns) for turn in _read_turn(each, f"{at}[{n}]", row)]
    are_sentences = bool(turns) and isinstance(turns[0], dict) and SENTENCE in turns[0]
    return _join(read) if are_sentences else read


def _join(sentences: Sequence[Message]) -> list[Message]:
    """What one speaker says without a break, each sentence on a line."""
    turns: list[Message] = []
    for each in sentences:
        if turns and turns[-1].role == each.role:
            turns[-1] = replace(turns[-1], content=f"{turns[-1].content}\n{each.content}")
        else:
            turns.append(each)
    return turns


def _as_list(given: Any) -> list[Any] | None:
    """The list of turns by their numbers, {"turn_1": {…}}; and of the columns that Parquet makes of
    objects, {"speaker": […], "utterance": […]}."""
    if isinstance(given, list):
        return given
    values = [*given.values()] if isinstance(given, Mapping) else []
    if values and all(isinstance(each, dict) for each in values):
        return values
    if not values or not all(isinstance(each, list) for each in values):
        return None
    if len({len(each) for each in values}) > 1:
        return None
    return [dict(zip(given, cells, strict=True)) for cells in zip(*values, strict=True)]


def _read_turn(turn: Any, at: str, row: Row) -> list[Message]:
    if not isinstance(turn, dict):
        expected = _("an object with {fields}").format(fields=_(TURN))
        row.refuse(at, reprlib.repr(turn), expected)
        return []
    if not turn.keys().isdisjoint(ROLE_KEYS):
        message = read_message(turn, at, row)
        return [message] if message else []
    own = {own_name(key): _unframed(value) for key, value in turn.items()}
    return _read_pair(own, at, row)


def _read_pair(turn: Fields, at: str, row: Row) -> list[Message]:
    pair = find_pair(turn)
    if not pair:
        row.refuse(at, show_keys(turn), _(TURN))
        return []
    others = (key for key in turn if key not in pair and is_filled(turn[key]))
    row.remarks += [Remark(OF_TURNS, key) for key in others]
    asked, given = (row.take_text(turn, key, f"{at}.") for key in pair)
    return read_exchange(asked, given, (f"{at}.{pair[0]}", f"{at}.{pair[1]}"), row)


def _unframed(value: Any) -> Any:
    if not isinstance(value, str) or not FRAME.search(value):
        return value
    text = FRAME.sub("", value)
    return "" if text.strip() == "None" else text
