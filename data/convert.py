"""Conversations to JSON lines, in the shapes that training programs read."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from .conversation import Conversation, Item, Message
from .errors import Fault, InvalidData, UnreadableFile
from .personal import redact_conversation
from .reading.shapes.cells import Cell, read_answer, read_question
from .whole_file import STANDARD_OUTPUT, check_folder, whole_output
from .wording import N_, _

ShapeName = Literal["messages", "alpaca", "sharegpt"]
SHAPE_NAMES: tuple[ShapeName, ...] = get_args(ShapeName)
SHAREGPT_NAMES = {"user": "human", "assistant": "gpt"}


def write_conversations(
    items: Iterable[Item], path: Path, shape: ShapeName = "messages", *, redacted: bool = False
) -> int:
    """One JSON object a line; returns how many. The file appears whole or not at all; a path of -
    is standard output.

    Raises InvalidData with every fault of what was read, and of what the shape cannot express, or
    where there is nothing to write; UnreadableFile as `check_new` does.
    """
    check_new(path)
    faults: list[Fault] = []
    count = 0
    with whole_output(path) as file:
        for item in items:
            if isinstance(item, Fault):
                faults += [item] if item.severity == "error" else []
                continue
            lost = _inexpressible(item, shape)
            faults += lost
            if not lost:
                row = WRITERS[shape](redact_conversation(item) if redacted else item)
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
        if not count and not faults:
            faults.append(Fault(str(path), 1, _("conversations"), _("none"), _("at least one")))
        if faults:
            told = _("{source}: not written: {count} faults")
            raise InvalidData(told.format(source=path, count=len(faults)), faults)
    return count


def check_new(path: Path) -> None:
    """Raises UnreadableFile where a file exists already, since nothing is written over, or where
    its folder does not."""
    if path == STANDARD_OUTPUT:
        return
    if path.exists():
        raise UnreadableFile(path, _("exists already; choose another name"))
    check_folder(path)


def _inexpressible(conversation: Conversation, shape: ShapeName) -> list[Fault]:
    """What would be lost: tools and untrained answers are OpenAI's alone."""
    if shape == "messages":
        return []
    seen = [
        (_("turn {number}").format(number=number), what)
        for number, message in enumerate(conversation.messages, start=1)
        for what in _lost(message, shape)
    ]
    seen += [(_("tools"), _("tools"))] if conversation.tools else []
    expected = _("what the shape {shape} can express; --shape messages can").format(shape=shape)
    return [Fault(conversation.source, conversation.line, at, what, expected) for at, what in seen]


def _lost(message: Message, shape: ShapeName) -> list[str]:
    losses = {
        N_("what would be read as turns"): shape == "alpaca" and _reads_otherwise(message),
        N_("a name"): message.name is not None and message.role != "tool",
        N_("a tool's answer"): message.role == "tool",
        N_("tool calls"): bool(message.tool_calls),
        N_("an answer that is not trained"): message.role == "assistant" and not message.trained,
    }
    return [_(what) for what, is_lost in losses.items() if is_lost]


def _reads_otherwise(message: Message) -> bool:
    """Whether a cell with its text is read as turns, or without the role word at its head."""
    text = message.content
    cell = read_question(text) if message.role == "user" else read_answer(text, Cell([], True))
    return message.role in ("user", "assistant") and [t.content for t in cell.messages] != [text]


def as_row(conversation: Conversation) -> dict[str, Any]:
    """OpenAI's row to train on: one of preferences where there is an answer that people like less,
    which is read back as the same conversation."""
    if not conversation.rejected:
        return _as_messages(conversation)
    begin = conversation.first_trained
    before = replace(conversation, messages=conversation.messages[:begin])
    preferred, rejected = conversation.messages[begin:], conversation.rejected
    return {
        "input": _as_messages(before),
        "preferred_output": [_as_message(each) for each in preferred],
        "non_preferred_output": [_as_message(each) for each in rejected],
    }


def _as_messages(conversation: Conversation) -> dict[str, Any]:
    row: dict[str, Any] = {"messages": [_as_message(each) for each in conversation.messages]}
    if conversation.tools:
        row["tools"] = list(conversation.tools)
    return row


def _as_message(message: Message) -> dict[str, Any]:
    fields: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.role == "assistant" and not message.trained:
        fields["weight"] = 0
    if message.tool_calls:
        fields["tool_calls"] = list(message.tool_calls)
    if message.tool_call_id is not None:
        fields["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        fields["name"] = message.name
    return fields


def _as_alpaca(conversation: Conversation) -> dict[str, Any]:
    system, turns = _split_system(conversation)
    *earlier, question, answer = (each.content for each in turns)
    row: dict[str, Any] = {"instruction": question, "input": "", "output": answer}
    if earlier:
        row["history"] = [list(pair) for pair in zip(earlier[::2], earlier[1::2], strict=True)]
    return {**row, **system}


def _as_sharegpt(conversation: Conversation) -> dict[str, Any]:
    system, turns = _split_system(conversation)
    values = [{"from": SHAREGPT_NAMES.get(m.role, m.role), "value": m.content} for m in turns]
    return {"conversations": values, **system}


def _split_system(conversation: Conversation) -> tuple[Mapping[str, str], list[Message]]:
    first, *others = conversation.messages
    if first.role == "system":
        return {"system": first.content}, others
    return {}, [first, *others]


WRITERS: dict[ShapeName, Callable[[Conversation], dict[str, Any]]] = {
    "messages": _as_messages,
    "alpaca": _as_alpaca,
    "sharegpt": _as_sharegpt,
}
