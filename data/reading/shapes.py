"""A row's keys to messages: the shapes that data sets come in, by the names of their fields."""

import reprlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from data.conversation import Conversation, Message, Role

from .dialogues.dialogue import split_cell
from .dialogues.role_words import ROLES
from .proposals import accepted
from .row import Fields, Row

QUESTIONS = (
    *("question", "instruction", "instruct", "prompt", "query", "ask", "content"),
    *("问题", "問題", "提问", "提問", "问", "問", "指令", "咨询"),
)
ANSWERS = (
    *("answer", "output", "completion", "response", "reply", "summary", "target"),
    *("答案", "回答", "答", "回复", "回覆", "答复", "输出"),
)
MESSAGE_KEYS: dict[Role, tuple[str, ...]] = {
    "system": ("role", "content"),
    "user": ("role", "content"),
    "assistant": ("role", "content", "weight", "tool_calls"),
    "tool": ("role", "content", "tool_call_id"),
}
SPEAKER_ROLES: dict[str, Role] = {**ROLES, "gpt": "assistant"}
# What may stand before a turn.
PREDECESSORS: dict[Role, tuple[str, ...]] = {
    "system": ("nothing",),
    "user": ("nothing", "system", "assistant"),
    "assistant": ("user", "tool"),
    "tool": ("assistant with tool_calls", "tool"),
}
TITLE = "title"  # asks where the question is empty
# Of no use to training, and of none to say so.
BOOKKEEPING = frozenset({"id", "source", "category", "department", "metadata", "keep"})


@dataclass(frozen=True, slots=True)
class Shape:
    """The keys of one kind of row, and how its messages are read."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    read: Callable[[Fields, Row], list[Message]]

    @property
    def keys(self) -> set[str]:
        return {*self.required, *self.optional}


def read_row(value: Any, row: Row) -> Conversation | None:
    """None where the row has faults."""
    given = _drop_nulls(value) if isinstance(value, dict) else {}
    fields = {_own_name(key): each for key, each in given.items()}
    shape = find_shape(fields) or (find_shape(value) if isinstance(value, dict) else None)
    if shape is None or len(fields) < len(given):
        seen = show_keys(fields) if fields else reprlib.repr(value)
        row.refuse("row", seen, accepted([fields]))
        return None
    messages = shape.read(fields, row)
    if not row.faults:
        _check_order(messages, row)
    tools = tuple(row.take_list(fields, "tools", dict))
    if row.faults:
        return None
    return Conversation(tuple(messages), row.source, row.line, tools)


def find_shape(keys: Iterable[str]) -> Shape | None:
    """The one shape that the keys have; None where they have none, or parts of two."""
    return _find_shape(frozenset(map(_own_name, keys)))


@lru_cache(maxsize=1024)
def _find_shape(names: frozenset[str]) -> Shape | None:
    found = next((shape for shape in SHAPES if names >= {*shape.required}), None) or _pair(names)
    return found if found and not names & KNOWN - found.keys else None


def unused(fields: Fields) -> Iterator[str]:
    """The keys of a row that training has no use for; bookkeeping aside."""
    shape = find_shape(fields)
    used = shape.keys | BOOKKEEPING if shape else set(fields)
    for key in fields:
        name = _own_name(key)
        if name not in used or (name == TITLE and shape and _is_left_out(key, fields, shape)):
            yield key


def _is_left_out(title: str, fields: Fields, shape: Shape) -> bool:
    """Where a question stands beside it that does not say the same."""
    asked = next((str(fields[key]) for key in fields if _own_name(key) == shape.required[0]), "")
    given = str(fields[title] or "").strip()
    return bool(asked.strip()) and given.lower() not in asked.lower()


def unnamed(fields: Fields, columns: Collection[str]) -> Iterator[str]:
    """The keys of a row that the user has not named; bookkeeping aside."""
    return (key for key in fields if key not in columns and _own_name(key) not in BOOKKEEPING)


def show_keys(keys: Iterable[str]) -> str:
    return f"the keys {', '.join(map(repr, keys))}" if keys else "no keys"


def _drop_nulls(fields: Fields) -> Fields:
    """Tables written by programs name every column in every row, and fill up with null."""
    return {key: value for key, value in fields.items() if value is not None}


def _own_name(key: str) -> str:
    """Input, INPUT and input are one field; unknown ones keep their names."""
    name = key.strip().lower()
    return name if name in NAMES else key


def _check_order(messages: list[Message], row: Row) -> None:
    before = "nothing"
    for number, message in enumerate(messages, start=1):
        accepted = PREDECESSORS[message.role]
        if before not in accepted:
            row.refuse(f"turn {number}", f"{message.role} after {before}", " or ".join(accepted))
        before = f"{message.role} with tool_calls" if message.tool_calls else message.role
    if not before.startswith("assistant"):
        row.refuse("last turn", before, "an assistant turn")


def _read_messages(fields: Fields, row: Row) -> list[Message]:
    items = row.take_list(fields, "messages", dict)
    read = [_read_message(item, f"messages[{index}].", row) for index, item in enumerate(items)]
    return [message for message in read if message]


def _read_message(item: Fields, at: str, row: Row) -> Message | None:
    item = _drop_nulls(item)
    role: Role | None = next((each for each in MESSAGE_KEYS if each == item.get("role")), None)
    if role is None:
        row.refuse(f"{at}role", reprlib.repr(item.get("role")), " or ".join(MESSAGE_KEYS))
        return None
    row.refuse_other_keys(item, MESSAGE_KEYS[role], at)
    weight = item.get("weight", 1)
    if weight not in (0, 1):
        row.refuse(f"{at}weight", reprlib.repr(weight), "0 or 1")
    calls = row.take_list(item, "tool_calls", dict, at)
    may_be_empty = bool(calls) or role == "tool"
    content = row.take_text(item, "content", at, may_be_empty=may_be_empty)
    call_id = row.take_text(item, "tool_call_id", at, may_be_empty=True) or None
    return Message(role, content, bool(weight), tuple(calls), call_id)


def _read_speakers(key: str) -> Callable[[Fields, Row], list[Message]]:
    """ShareGPT's from and value, or role and content with any role word."""

    def read(fields: Fields, row: Row) -> list[Message]:
        messages = _read_system(fields, row)
        for index, item in enumerate(row.take_list(fields, key, dict)):
            at = f"{key}[{index}]."
            names = ("role", "content") if "role" in item else ("from", "value")
            row.refuse_other_keys(item, names, at)
            speaker = item.get(names[0])
            role = SPEAKER_ROLES.get(speaker.lower()) if isinstance(speaker, str) else None
            if role:
                messages.append(Message(role, row.take_text(item, names[1], at)))
            else:
                row.refuse(f"{at}{names[0]}", reprlib.repr(speaker), " or ".join(SPEAKER_ROLES))
        return messages

    return read


def _read_system(fields: Fields, row: Row) -> list[Message]:
    system = row.take_text(fields, "system", may_be_empty=True)
    return [Message("system", system)] if system else []


def _read_history(fields: Fields, row: Row) -> list[Message]:
    messages: list[Message] = []
    for index, pair in enumerate(row.take_list(fields, "history", list)):
        at = f"history[{index}]."
        if len(pair) == 2:
            sides = {"question": pair[0], "answer": pair[1]}
            messages.append(Message("user", row.take_text(sides, "question", at)))
            messages.append(Message("assistant", row.take_text(sides, "answer", at)))
        else:
            row.refuse(at[:-1], reprlib.repr(pair), "[question, answer]")
    return messages


def _pair(names: frozenset[str]) -> Shape | None:
    """A question and its answer in two fields, whatever they are called."""
    questions = [name for name in names if name in QUESTIONS]
    answers = [name for name in names if name in ANSWERS]
    if not questions and "input" in names:
        questions = ["input"]
    if len(questions) != 1 or len(answers) != 1:
        return None
    [question], [answer] = questions, answers

    def read(fields: Fields, row: Row) -> list[Message]:
        messages = [*_read_system(fields, row), *_read_history(fields, row)]
        given = "" if question == "input" else row.take_text(fields, "input", may_be_empty=True)
        title = row.take_text(fields, TITLE, may_be_empty=True)
        asked = row.take_text(fields, question, may_be_empty=bool(given or title))
        messages += split_cell(f"{asked or title}\n{given}".strip())
        messages.append(Message("assistant", row.take_text(fields, answer)))
        return messages

    return Shape((question, answer), OPTIONAL, read)


SHAPES = (
    Shape(("messages",), ("tools",), _read_messages),
    Shape(("conversations",), ("system",), _read_speakers("conversations")),
    Shape(("conversation",), ("system",), _read_speakers("conversation")),
)
OPTIONAL = ("input", "history", "system", TITLE)
KNOWN = frozenset({*QUESTIONS, *ANSWERS, "messages", "conversations", "conversation", "tools"})
NAMES = KNOWN | BOOKKEEPING | {*OPTIONAL}
