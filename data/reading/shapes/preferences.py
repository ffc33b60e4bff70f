"""OpenAI's rows of preferences: what was asked, the answer that people prefer, and the other one.

Training on examples learns the preferred answer, training on preferences both. What stands in the
input was asked or said before, and nobody judged it: none of it is trained.
"""

import reprlib
from dataclasses import replace
from typing import Any

from data.conversation import Message
from data.wording import N_, _

from .names import INPUT, NOT_PREFERRED, PREFERRED
from .row import Fields, Remark, Row, is_filled, read_cell
from .turns import read_turns

LEFT_OUT = N_("answers that people like less")
MESSAGES = "messages"


def read_preference(fields: Fields, row: Row) -> list[list[Message]]:
    """The input's turns, and behind them the preferred ones."""
    asked = _object(fields[INPUT])
    if MESSAGES not in asked:
        expected = _("an object with {fields}").format(fields=MESSAGES)
        row.refuse(INPUT, reprlib.repr(fields[INPUT]), expected)
        return []
    before = read_turns(asked[MESSAGES], f"{INPUT}.{MESSAGES}", row)
    preferred = read_turns(fields[PREFERRED], PREFERRED, row)
    if is_filled(fields.get(NOT_PREFERRED)):
        row.rejected += read_turns(fields[NOT_PREFERRED], NOT_PREFERRED, row)
    row.remarks.append(Remark(LEFT_OUT, PREFERRED))
    said = (replace(each, trained=each.role != "assistant") for each in before)
    return [[*said, *preferred]]


def with_tools(fields: Fields) -> Fields:
    """The fields of a row of preferences with the tools that stand in its input."""
    return {**_object(fields.get(INPUT)), **fields} if PREFERRED in fields else fields


def _object(value: Any) -> dict[str, Any]:
    given = read_cell(value)
    return given if isinstance(given, dict) else {}
