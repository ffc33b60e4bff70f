"""The verdict on an adapter, for a person at a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from finetune.evaluation.finding import Finding, Tone

STYLES: dict[Tone, str] = {"good": "bold green", "careful": "bold yellow", "bad": "bold red"}


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """What was found, the gravest first, each with what to try."""
    is_piped = not console.is_terminal
    for finding in findings:
        title = (f"{finding.title}.", STYLES[finding.tone])
        console.print(Text.assemble(title, f" {finding.text}"), soft_wrap=is_piped)
        if finding.advice:
            console.print(Text(f"  What to try: {finding.advice}"), soft_wrap=is_piped)
