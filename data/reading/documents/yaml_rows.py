"""YAML: lists of questions and answers, and chatterbot's conversations as lists of lines."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any, TextIO

import yaml

from data.errors import Fault
from data.reading.faulty import Read
from data.reading.rows import Columns, Numbered, read_rows
from data.wording import N_, _

EXPECTED = N_(
    "a list of questions and answers, or chatterbot's conversations: lists of lines, of which the "
    "first asks"
)


def read_yaml(file: TextIO, source: str, columns: Columns) -> Iterator[Read]:
    """Rows, in a list or in the one list of a mapping; a row that is a list of texts is a
    dialogue."""
    try:
        node = yaml.compose(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        rows = list(_rows(node))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        yield Fault(source, mark.line + 1 if mark else 1, "yaml", problem, _(EXPECTED))
        return
    if not rows:
        yield Fault(source, 1, "yaml", _("no list of rows"), _(EXPECTED))
        return
    yield from read_rows(rows, source, columns)


def _rows(node: Any) -> Iterator[Numbered]:
    lists = [node] if isinstance(node, yaml.SequenceNode) else []
    if isinstance(node, yaml.MappingNode):
        # chatterbot's categories are a list of words.
        lists = [value for _key, value in node.value if isinstance(value, yaml.SequenceNode)]
        lists = [each for each in lists if _holds_rows(each)]
    if len(lists) == 1:
        for row in lists[0].value:
            yield row.start_mark.line + 1, _as_row(_value(row, {}))


def _holds_rows(node: Any) -> bool:
    return any(isinstance(row, yaml.CollectionNode) for row in node.value)


def _as_row(value: Any) -> Any:
    """A list of lines as messages, the first of them the user's."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return value
    turns = zip(cycle(("user", "assistant")), value, strict=False)
    return {"messages": [{"role": role, "content": text} for role, text in turns]}


def _value(node: Any, known: dict[int, Any]) -> Any:
    """What a node holds, every scalar as it is written: Yes is a word, not true. Raises ValueError
    for a key that stands twice."""
    if isinstance(node, yaml.ScalarNode):
        return None if node.tag.endswith(":null") else node.value
    if id(node) not in known:
        if isinstance(node, yaml.SequenceNode):
            known[id(node)] = [_value(each, known) for each in node.value]
        else:
            pairs = [(_value(key, known), _value(value, known)) for key, value in node.value]
            known[id(node)] = _mapping(pairs)
    return known[id(node)]


def _mapping(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    fields = {str(key): value for key, value in pairs}
    if len(fields) < len(pairs):
        told = _("a key stands twice among {keys}")
        raise ValueError(told.format(keys=", ".join(map(repr, fields))))
    return fields
