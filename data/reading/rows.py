"""Rows of any file to conversations: what the user has named, what a person has decided."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain, islice
from typing import Any

from data.conversation import Conversation
from data.errors import Fault
from data.wording import N_, _

from .faulty import Draft, Read
from .remarks import Escapes, Remarks
from .shapes import TITLE, read_row, show_keys, unnamed, unused
from .shapes.row import Row

Numbered = tuple[int, Any]  # a row with the line it begins on
Columns = Mapping[str, str]  # what a field is called in the file

HEAD = 500  # rows that show what is usual in a file
KEEP = "keep"  # the column in which a person decides about a draft
YES = ("yes", "y", "true", "1", "1.0", "是", "是的", "对", "x", "✓", "✔", "√")
NO = ("no", "n", "false", "0", "0.0", "否", "不是", "不", "错")
EITHER = N_("yes or no (y, 1 or 是; n, 0 or 否)")

MAY_BE_MISSING = ("system", "history", "input", "context", "tools")  # in some rows

UNUSED = N_("a field of no known use"), N_("what training uses; this field is left out")
UNUSED_TITLE = (
    N_("a title beside a question, left out"),
    N_(
        "a title where the question is empty; --map question=title,answer=… asks the titles instead"
    ),
)


@dataclass(slots=True)
class _LeftOut:
    """What is not trained on of rows that are, and of those that are not."""

    undecided: list[int] = field(default_factory=list[int])  # lines
    unused: dict[str, int] = field(default_factory=dict[str, int])  # first line of each key
    unnamed: dict[str, int] = field(default_factory=dict[str, int])

    def note(self, given: Any, fields: Any, columns: Columns, line: int) -> None:
        """`fields` are those of `given` by their own names."""
        if not isinstance(fields, Mapping):
            return
        for key in unused(fields):
            self.unused.setdefault(key, line)
        for key in unnamed(given, columns.values()) if columns.keys() - {KEEP} else ():
            self.unnamed.setdefault(key, line)

    def faults(self, source: str) -> Iterator[Fault]:
        if lines := self.undecided:
            seen = _("{count} rows without a decision, which are left out").format(count=len(lines))
            yield Fault(source, lines[0], KEEP, seen, _(EITHER), "warning", N_("undecided"))
        for key, line in self.unused.items():
            seen, expected = UNUSED_TITLE if key.strip().lower() == TITLE else UNUSED
            yield Fault(source, line, key, _(seen), _(expected), "warning", N_("unused field"))
        if self.unnamed:
            seen = _("not named, and so left out: {keys}").format(keys=show_keys(self.unnamed))
            expected = _(
                "a name for each that training shall use, such as system=NAME or history=NAME"
            )
            line = min(self.unnamed.values())
            yield Fault(source, line, "--map", seen, expected, "warning", "unused field")


def read_rows(rows: Iterable[Numbered | Fault], source: str, columns: Columns) -> Iterator[Read]:
    """Each row its conversations, or what is wrong with it; at the end what is said once. Among the
    `columns` may be the one that decides whether a row is kept."""
    remaining = iter(rows)
    head = [*islice(remaining, HEAD)]
    if not head:
        yield Fault(source, 1, _("rows"), _("none"), _("at least one row"))
    escapes = Escapes(each[1] for each in head if not isinstance(each, Fault))
    remarks, left_out = Remarks(), _LeftOut()
    for each in chain(head, remaining):
        if isinstance(each, Fault):
            yield each
            continue
        line, value = each
        row = Row(source, line)
        if not _is_chosen(value, columns.get(KEEP), row, left_out):
            yield from row.faults
            continue
        fields = _renamed(value, columns, row) if isinstance(value, dict) else value
        read = [] if row.faults else read_row(fields, row)
        applied = [_with_line_ends(each, escapes) for each in read]
        yield from row.faults
        yield from applied
        if applied:  # drafts, too: they may be mended
            remarks.take(row, [*map(_conversation_of, applied)])
            left_out.note(value, fields, columns, line)
    yield from left_out.faults(source)
    yield from escapes.faults(source, remarks.totals)
    yield from remarks.faults(source)


def _conversation_of(read: Conversation | Draft) -> Conversation:
    return read if isinstance(read, Conversation) else read.conversation


def _with_line_ends(read: Conversation | Draft, escapes: Escapes) -> Conversation | Draft:
    if isinstance(read, Conversation):
        return escapes.apply(read)
    return replace(read, conversation=escapes.apply(read.conversation))


def _is_chosen(value: Any, decides: str | None, row: Row, left_out: _LeftOut) -> bool:
    decision = _decision(value, decides, row)
    if decision == "undecided":
        left_out.undecided.append(row.line)
    return decision == "yes"


def _decision(value: Any, decides: str | None, row: Row) -> str:
    """What a person says of a draft: yes, no, undecided or, with a fault, neither. The column that
    `decides` has been named, or is called keep."""
    key = decides or (_keep_key(tuple(value)) if isinstance(value, dict) else None)
    if key is None or not isinstance(value, dict):
        return "yes"
    if key not in value:
        row.refuse(key, show_keys(value), _column(key))
        return "no"
    given = value[key]
    word = "" if given is None else unicodedata.normalize("NFKC", str(given)).strip().lower()
    if word not in (*YES, *NO, ""):
        row.refuse(decides or KEEP, repr(given), _(EITHER))
    return "yes" if word in YES else "undecided" if not word else "no"


@lru_cache(maxsize=1024)
def _keep_key(keys: tuple[str, ...]) -> str | None:
    return next((key for key in keys if key.strip().lower() == KEEP), None)


def _renamed(fields: Mapping[str, Any], columns: Columns, row: Row) -> Mapping[str, Any]:
    """The fields that the user has named, by their own names, and nothing else; all of them where
    none is named. What decides about the row is none of it."""
    if not columns:
        return fields
    named = {name: column for name, column in columns.items() if name != KEEP}
    if not named:
        return {name: fields[name] for name in fields if name != columns.get(KEEP)}
    for name, column in named.items():
        if column not in fields and name not in MAY_BE_MISSING:
            row.refuse(column, show_keys(fields), _column(column))
    return {name: fields[column] for name, column in named.items() if column in fields}


def _column(name: str) -> str:
    return _("the column {name!r}, as --map says").format(name=name)
