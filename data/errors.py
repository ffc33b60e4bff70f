"""What can go wrong between a file and token ids.

DataError
├── UnreadableFile    the file is missing, empty, binary or in an unknown encoding
├── InvalidData       the file was read and has faults; carries all of them
├── NoRoom            the disk has no room for what is to be written
└── TemplateError     a chat template cannot render the conversation
    ├── ToolsLeftOut  … because it writes no tools
    └── MarkInText    … because a text holds one of its marks
"""

from dataclasses import dataclass
from typing import Literal

from .wording import N_, _

Severity = Literal["error", "warning"]
MARK_KIND = N_("template mark in text")
IN_TOOLS = N_("the tools")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the data: where it is, what was seen and what is accepted.

    All but `kind` is in the reader's language; that is translated where it is shown.
    """

    source: str
    line: int
    field: str
    seen: str
    expected: str
    severity: Severity = "error"  # a warning counts, but does not stop
    kind: str = N_("format")
    is_of_one: bool = False  # of one conversation alone: the others can be read without it

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.field}: {self.told}"

    @property
    def told(self) -> str:
        """Wherever it is."""
        return _("{seen}; expected {expected}").format(seen=self.seen, expected=self.expected)


class DataError(Exception):
    """Base of every error about training data."""


class UnreadableFile(DataError):
    """The file is missing, empty, binary or in an unknown encoding; `problem` says which, without
    its name."""

    def __init__(self, source: object, problem: str) -> None:
        self.problem = problem
        super().__init__(f"{source}: {problem}")


class InvalidData(DataError):
    """The data has faults; `faults` holds every one of them."""

    def __init__(self, summary: str, faults: list[Fault]) -> None:
        self.faults = faults
        shown = [f"  {fault}" for fault in faults[:20]]
        if len(faults) > 20:
            shown.append("  " + _("… and {count:,} more").format(count=len(faults) - 20))
        super().__init__("\n".join([summary, *shown]))


class NoRoom(DataError):
    """The disk has no room for what is to be written."""


class TemplateError(DataError):
    """A chat template cannot render the conversation, or renders nothing to train on; `problem`
    says why, without the place."""

    def __init__(self, problem: str, where: str = "") -> None:
        self.problem = problem
        super().__init__(f"{where}: {problem}" if where else problem)


class ToolsLeftOut(TemplateError):
    """A chat template writes nothing of the tools that it was given."""


class MarkInText(TemplateError):
    """A text holds a mark of the chat template that is no token: `place` says which text."""

    def __init__(self, place: str, mark: str, where: str = "") -> None:
        self.place = place
        self.mark = mark
        told = _(
            "{place}: the text holds {mark!r}, with which this chat template marks turns, and "
            "a model could not tell one from the other. Take it out, or have an invisible "
            "space put into it: plain_marks=defuse."
        )
        super().__init__(told.format(place=place, mark=mark), where)

    @property
    def field(self) -> str:
        """The field of a request that holds the text."""
        return "tools" if self.place == _(IN_TOOLS) else "messages"

    def as_fault(self, source: str, line: int) -> Fault:
        seen = _("the text {mark!r}").format(mark=self.mark)
        expected = _("no text like the chat template's own marks (plain_marks=defuse breaks them)")
        return Fault(source, line, self.place, seen, expected, kind=MARK_KIND)
