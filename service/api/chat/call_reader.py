"""Tells apart, while an answer comes, what of it is text and what are tool calls."""

import json
from collections.abc import Collection, Sequence
from typing import Protocol

from service.api.protocol import CalledFunction, ToolCall

from .call_formats import CallFormat, new_call_id, read_calls

Part = str | ToolCall


class Reader(Protocol):
    """Reads one answer. What is not a call after all comes as the text that it is."""

    def push(self, text: str) -> list[Part]:
        """Take the next piece; returns what is certain now."""
        ...

    def finish(self) -> list[Part]: ...


class CallReader:
    """Reads answers that may hold calls in a template's format.

    White space before a call, and between calls, belongs to neither.
    """

    def __init__(self, known: CallFormat, names: Collection[str], *, several: bool) -> None:
        self._format = known
        self._names = names
        self._several = several
        self._num_calls = 0
        self._held = ""  # inside a call: what stands after its mark
        self._mark: str | None = None  # what opened the call, with the blanks before it
        self._may_begin = bool(known.beginnings)

    def push(self, text: str) -> list[Part]:
        self._held += text
        parts = self._read_text()
        closing = self._format.closing
        while self._mark is not None and closing is not None and closing in self._held:
            body, _, self._held = self._held.partition(closing)
            parts += [*self._close(body, closing), *self._read_text()]
        return parts

    def finish(self) -> list[Part]:
        rest, self._held = self._held, ""
        if self._mark is not None:
            return self._close(rest, "")
        return [rest] if rest and not (self._num_calls and rest.isspace()) else []

    def _read_text(self) -> list[Part]:
        """What is text before the next call, which is opened if it is there."""
        if self._mark is not None or self._awaits_beginning():
            return []
        before, mark, rest = self._held.partition(self._format.opening)
        certain = before if mark else before[: len(before) - _overlap(before, self._format.opening)]
        text = certain.rstrip()
        if mark:
            self._mark, self._held = before[len(text) :] + mark, rest
        else:
            self._held = before[len(text) :]
        return [text] if text else []

    def _awaits_beginning(self) -> bool:
        """Whether the answer is, or may yet be, a call from its first character on."""
        if not self._may_begin:
            return False
        begun = "".join(self._held.split())
        if any(begun.startswith(beginning) for beginning in self._format.beginnings):
            self._mark = ""
        elif any(beginning.startswith(begun) for beginning in self._format.beginnings):
            return True
        self._may_begin = False
        return self._mark is not None

    def _close(self, body: str, closing: str) -> list[Part]:
        mark, self._mark = self._mark or "", None
        functions = read_calls(body, self._names)
        if functions is None:
            return [mark + body + closing]
        if not self._several:
            functions = functions[: 1 - self._num_calls]
        self._num_calls += len(functions)
        return _as_calls(functions, self._format)


class ForcedReader:
    """Reads answers which a schema has made calls: all of one, or the arguments of `name`'s."""

    def __init__(self, known: CallFormat | None, names: Collection[str], name: str | None) -> None:
        self._format = known
        self._names = names
        self._name = name
        self._texts: list[str] = []

    def push(self, text: str) -> list[Part]:
        self._texts.append(text)
        return []

    def finish(self) -> list[Part]:
        text = "".join(self._texts)
        functions = read_calls(text, self._names) if self._name is None else self._named(text)
        if functions is None:  # cut short
            return [text] if text else []
        return _as_calls(functions, self._format)

    def _named(self, text: str) -> list[CalledFunction] | None:
        """The text is the arguments; they stay as they were written."""
        try:
            arguments = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if self._name is None or not isinstance(arguments, dict):
            return None
        return [CalledFunction(name=self._name, arguments=text)]


def _as_calls(functions: Sequence[CalledFunction], known: CallFormat | None) -> list[Part]:
    return [ToolCall(id=new_call_id(known), function=function) for function in functions]


def _overlap(text: str, mark: str) -> int:
    """How many characters at the end of the text begin the mark."""
    longest = min(len(text), len(mark) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(mark[:n])), 0)
