"""What a check has found in a file, in the language that was asked for."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from data.conversation import Role
from data.errors import Severity


class Found(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ToldFault(Found):
    """One thing wrong or suspicious; of the whole file where it has no line."""

    source: str  # the file's name, with its sheet where it has several
    line: int | None
    field: str
    message: str


class Finding(Found):
    """All faults of one kind."""

    severity: Severity
    kind: str  # the same in every language
    title: str
    count: int
    examples: list[ToldFault]


class PreviewMessage(Found):
    role: Role
    content: str
    trained: bool
    tool_calls: list[Mapping[str, Any]] = []
    tool_call_id: str | None = None
    name: str | None = None


class Preview(Found):
    """A conversation as it would be trained."""

    line: int
    messages: list[PreviewMessage]
    tools: list[Mapping[str, Any]]


class CheckReport(Found):
    num_conversations: int | None  # None where the file could not be read to its end
    num_faults: int
    faults: list[ToldFault]  # the first ones that training would refuse
    findings: list[Finding]
    preview: list[Preview]
    preview_left_out: bool = False  # as it would be too large
    details: str | None  # the first faults in words; None where there are none

    @property
    def status(self) -> Literal["processed", "error"]:
        return "error" if self.num_faults else "processed"


def failed(name: str, field: str, message: str) -> CheckReport:
    """The report of a file that could not be read at all."""
    fault = ToldFault(source=name, line=None, field=field, message=message)
    return CheckReport(
        num_conversations=None,
        num_faults=1,
        faults=[fault],
        findings=[],
        preview=[],
        details=f"{name}: {message}",
    )
