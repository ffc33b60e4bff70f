"""The verdict on an adapter, for a person at a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from data.wording import _
from finetune.evaluation.finding import Finding, Tone

STYLES: dict[Tone, str] = {"good": "bold green", "careful": "bold yellow", "bad": "bold red"}


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """What was found, the gravest first, each with what to try."""
    is_piped = not console.is_terminal
    for finding in findings:
        title = (finding.title, STYLES[finding.tone])
        console.print(Text.assemble(title, f" {finding.text}"), soft_wrap=is_piped)
        if finding.advice:
            console.print(Text("  " + _("What to try:") + f" {finding.advice}"), soft_wrap=is_piped)
