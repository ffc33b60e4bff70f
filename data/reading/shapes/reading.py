"""A row to its conversations, or to what is wrong with it."""

import reprlib
from collections.abc import Collection
from typing import Any

from data.conversation import Conversation, Message
from data.errors import Fault
from data.reading.faulty import JUDGED_BAD, Draft
from data.reading.order import wrong_turns
from data.wording import N_, _

from .accepted import accepted, show_keys
from .beside import refuse_unfit
from .finding import find_shape
from .names import CHATS, NOT_PREFERRED, SURE, own_names
from .preferences import with_tools
from .row import Fields, Row, drop_nulls, read_cell
from .turns import answer_calls, is_turns, read_turns, take_tools


def read_row(value: Any, row: Row) -> list[Conversation | Draft]:
    """One conversation as a rule, several of a row of several questions or answers; drafts of those
    whose turns are in a wrong order, none where the row has other faults."""
    value = read_cell(value)
    fields = _own_fields(value) if isinstance(value, dict) else {}
    read = _read_fields(fields, value, row) if fields else _read_bare(value, row)
    conversations = [answer_calls(messages) for messages in read]
    tools = take_tools(with_tools(fields), row)
    if row.faults:
        return []
    rejected = tuple(answer_calls(row.rejected))
    own = row.source, row.line, tools, rejected, row.is_good
    return [_drafted(Conversation(tuple(each), *own), row) for each in conversations]


def _drafted(conversation: Conversation, row: Row) -> Conversation | Draft:
    """A draft where turns follow each other that may not, or where the answer is judged bad."""
    where = conversation.source, conversation.line
    wrong = [*wrong_turns(conversation.messages)]
    in_rejected = [] if wrong or not conversation.rejected else _wrong_in_rejected(conversation)
    faults = tuple(
        Fault(*where, *each, kind=N_("order of turns"), is_of_one=True)
        for each in wrong or in_rejected
    )
    if faults:
        can_be_mended = not in_rejected and row.is_good is not False
        return Draft(conversation, faults, faults[0].kind, can_be_mended)
    if row.is_good is False:
        seen = _("false, as of an answer that is judged bad")
        expected = _("answers to train on alone, or a training on ratings (method kto)")
        fault = Fault(*where, row.judged_by, seen, expected, kind=JUDGED_BAD, is_of_one=True)
        return Draft(conversation, (fault,), JUDGED_BAD, False)
    return conversation


def _wrong_in_rejected(conversation: Conversation) -> list[tuple[str, str, str]]:
    """The same in the answer that people like less, and what it does not answer."""
    if not any(each.is_trained for each in conversation.messages):
        return []
    wrong = wrong_turns(conversation.with_rejected.messages)
    return [(f"{NOT_PREFERRED}: {at}", seen, expected) for at, seen, expected in wrong]


def _own_fields(value: dict[str, Any]) -> Fields:
    """The fields by their own names, without nulls; nothing where two have one name."""
    given = drop_nulls(value)
    fields = dict(zip(own_names(tuple(given)), given.values(), strict=True))
    return fields if len(fields) == len(given) else {}


def _read_fields(fields: Fields, value: dict[str, Any], row: Row) -> list[list[Message]]:
    shape = find_shape(fields)
    if shape is None:
        fields = _without_echoes(fields)
        shape = find_shape(fields) or find_shape(value)  # with an answer that is null
    if shape is None:
        row.refuse(_("row"), show_keys(fields), accepted(fields))
        return []
    refuse_unfit(fields, row, has_turns=shape.has_turns)
    return shape.read(fields, row)


def _read_bare(value: Any, row: Row) -> list[list[Message]]:
    if isinstance(value, str) or is_turns(value):
        return [read_turns(value, _("row"), row)]
    row.refuse(_("row"), _show(value), accepted({}))
    return []


def _show(value: Any) -> str:
    return show_keys(value) if isinstance(value, dict) and value else reprlib.repr(value)


def _without_echoes(fields: Fields) -> Fields:
    """The fields without echoes: beside their turns some rows have the first question or the last
    answer once more."""
    turns = next((read_cell(fields[key]) for key in CHATS if key in fields), [])
    if not is_turns(turns):
        return fields
    said = {text.strip() for turn in turns for text in _texts(turn)}
    return {
        key: value
        for key, value in fields.items()
        if key in CHATS or key not in SURE or not _is_echo(value, said)
    }


def _is_echo(value: Any, said: Collection[str]) -> bool:
    return isinstance(value, str) and value.strip() in said


def _texts(turn: Any) -> list[str]:
    values = turn.values() if isinstance(turn, dict) else [turn]
    return [value for value in values if isinstance(value, str)]
