"""What a check has found, for a terminal and for machines."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from data.checking.check import Findings
from data.checking.lengths import Lengths
from data.checking.tokens import TokenCheck
from data.conversation import Conversation
from data.errors import Fault

MOST_ERRORS = 20  # shown
MOST_OF_A_KIND = 3  # warnings shown
ROLE_STYLES = {"system": "magenta", "user": "cyan", "assistant": "green", "tool": "yellow"}


def print_findings(findings: Findings, console: Console, report: Path | None = None) -> None:
    """Errors first, then warnings by kind."""
    errors = [fault for fault in findings.faults if fault.severity == "error"]
    _print_faults(errors[:MOST_ERRORS], findings.num_errors, console, "red")
    kinds = dict.fromkeys(f.kind for f in findings.faults if f.severity == "warning")
    for kind in kinds:
        faults = [f for f in findings.faults if f.severity == "warning" and f.kind == kind]
        count = findings.counts["warning", kind]
        console.print(Text(f"{kind}: {count:,}", style="bold yellow"))
        _print_faults(faults[:MOST_OF_A_KIND], count, console, "yellow")
    if findings.num_conversations:
        console.print(_summary(findings))
    if findings.tokens is not None:
        _print_rendered(findings.tokens, console)
    if report is not None:
        console.print(Text(f"Report: {report}"), soft_wrap=True)
    console.print(Text(verdict(findings), style="bold"), soft_wrap=True)


def print_stats(findings: Findings, console: Console) -> None:
    table = Table("file", "conversations", box=None)
    table.columns[1].justify = "right"
    for source, count in findings.sources.items():
        table.add_row(Text(source), f"{count:,}")
    console.print(table)
    console.print(_summary(findings))
    if findings.num_errors:
        console.print(Text(f"{findings.num_errors:,} errors: see lora-chat data check"))


def print_conversation(conversation: Conversation, number: int, console: Console) -> None:
    """One turn below the other, what is trained in bold."""
    console.print(Text(f"{number}. {conversation.where}", style="dim"), soft_wrap=True)
    for message in conversation.messages:
        turn = Text(f"{message.role}: ", style=ROLE_STYLES[message.role])
        turn.append(message.content, style="bold" if message.is_trained else "not bold")
        console.print(turn, soft_wrap=True)


def verdict(findings: Findings) -> str:
    warnings = f"{findings.num_warnings:,} warning{'s' * (findings.num_warnings != 1)}"
    if findings.num_errors:
        errors = f"{findings.num_errors:,} error{'s' * (findings.num_errors != 1)}"
        way_out = f" Or: {findings.way_out.seen}." if findings.way_out else ""
        refused = "Training would refuse this data: mend the errors first."
        return f"{errors}, {warnings}. {refused}{way_out}"
    return f"No errors, {warnings}. This data can be trained on."


def as_dict(findings: Findings) -> dict[str, Any]:
    """What --json prints; of every kind the first thousand faults."""
    return {
        "conversations": findings.num_conversations,
        "turns": findings.num_turns,
        "trained_answers": findings.num_answers,
        "question_characters": _lengths(findings.questions),
        "answer_characters": _lengths(findings.answers),
        "sources": dict(findings.sources),
        "errors": findings.num_errors,
        "warnings": findings.num_warnings,
        "counts": [
            {"severity": severity, "kind": kind, "count": count}
            for (severity, kind), count in findings.counts.items()
        ],
        "way_out": findings.way_out.seen if findings.way_out else None,
        "tokens": _tokens(findings.tokens),
        "faults": [asdict(fault) for fault in findings.faults],
    }


def _tokens(tokens: TokenCheck | None) -> dict[str, Any] | None:
    if tokens is None:
        return None
    return {
        "conversation": _lengths(tokens.lengths),
        "trained": _lengths(tokens.trained),
        "max_tokens": tokens.max_tokens,
        "cut_conversations": tokens.num_cut,
        "tokens_per_chinese_character": _spelling(tokens),
        "rendered": [
            [{"text": text, "trained": is_trained} for text, is_trained in segments]
            for segments in tokens.shown
        ],
    }


def _spelling(tokens: TokenCheck) -> float | None:
    """[tokens] for a character of Chinese; None where there is little."""
    per_character = tokens.spelling and tokens.spelling.per_character
    return round(per_character, 2) if per_character else None


def _lengths(lengths: Lengths) -> dict[str, Any]:
    return {
        "mean": round(lengths.mean, 1),
        "largest": lengths.largest,
        "histogram": [
            {"from": begin, "to": end, "count": count} for begin, end, count in lengths.bins()
        ],
    }


def _print_faults(faults: Sequence[Fault], count: int, console: Console, style: str) -> None:
    for fault in faults:
        line = Text(f"  {fault.source}:{fault.line}: ", style="dim")
        line.append(fault.field, style=style)
        line.append(f": {fault.seen}; expected {fault.expected}")
        console.print(line, soft_wrap=True)
    if count > len(faults):
        console.print(Text(f"  … and {count - len(faults):,} more", style="dim"))


def _summary(findings: Findings) -> Table:
    table = Table("", "", show_header=False, box=None)
    table.columns[0].style = "bold"
    table.add_row("conversations", f"{findings.num_conversations:,}")
    table.add_row("turns", f"{findings.num_turns:,}, {findings.num_answers:,} answers trained on")
    for name, lengths in (("questions", findings.questions), ("answers", findings.answers)):
        table.add_row(
            name, f"{lengths.mean:,.0f} characters on average, {lengths.largest:,} at most"
        )
    if (tokens := findings.tokens) is not None:
        average = f"{tokens.lengths.mean:,.0f} on average, {tokens.lengths.largest:,} at most"
        trained = tokens.trained.total / max(1, tokens.lengths.total)
        table.add_row("tokens", f"{average}; {trained:.0%} of all are trained")
        share = tokens.num_cut / max(1, findings.num_conversations)
        cut = f"{tokens.num_cut:,} ({share:.1%}) are longer than {tokens.max_tokens:,} tokens"
        table.add_row("cut", f"{cut} and lose their oldest turns")
        if (spelling := _spelling(tokens)) is not None:
            table.add_row("Chinese", f"{spelling} tokens for a character")
    return table


def _print_rendered(tokens: TokenCheck, console: Console) -> None:
    console.print(Text("\nAs training sees them; trained is what is green:", style="bold"))
    for segments in tokens.shown:
        for text, is_trained in segments:
            console.print(Text(text, style="bold green" if is_trained else "dim"), end="")
        console.print()
