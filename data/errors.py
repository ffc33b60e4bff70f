"""What can go wrong between a file and token ids.

DataError
├── UnreadableFile    the file is missing, empty, binary or in an unknown encoding
├── InvalidData       the file was read and has faults; carries all of them
└── TemplateError     a chat template cannot render the conversation
    └── ToolsLeftOut  … because it writes no tools
"""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the data: where it is, what was seen and what is accepted."""

    source: str
    line: int
    field: str
    seen: str
    expected: str
    severity: Severity = "error"  # a warning counts, but does not stop
    kind: str = "format"
    is_of_one: bool = False  # of one conversation alone: the others can be read without it

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.field}: {self.seen}; expected {self.expected}"


class DataError(Exception):
    """Base of every error about training data."""


class UnreadableFile(DataError):
    """The file is missing, empty, binary or in an unknown encoding."""


class InvalidData(DataError):
    """The data has faults; `faults` holds every one of them."""

    def __init__(self, summary: str, faults: list[Fault]) -> None:
        self.faults = faults
        shown = [f"  {fault}" for fault in faults[:20]]
        if len(faults) > 20:
            shown.append(f"  … and {len(faults) - 20} more")
        super().__init__("\n".join([summary, *shown]))


class TemplateError(DataError):
    """A chat template cannot render the conversation, or renders nothing to train on."""


class ToolsLeftOut(TemplateError):
    """A chat template writes nothing of the tools that it was given."""
