"""What `lora-chat bases recommend` says: a table, why the first one is first, and what to type."""

import shlex
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from finetune.bases.catalogue import NOT_TRIED, read_catalogue
from finetune.hardware import GIB, Machine
from service.recommendation import LONGEST, SLOWEST, Amount, Estimate, Here, Recommendation

MOST = 8  # rows
LANGUAGES = {"Chinese": "Chinese", "mixed": "Chinese and others", "other": "no Chinese"}


def print_recommendation(
    found: Recommendation, here: Here, amount: Amount, data: Sequence[str], console: Console
) -> None:
    for line in _premises(here, amount, data):
        console.print(line, highlight=False, markup=False)
    console.print()
    if found.best is None:
        console.print("No known base that speaks this language fits into this memory.")
        return
    console.print(_table([found.best, *found.others[: MOST - 1]]))
    console.print()
    for sentence in (*_reasons(found, found.best), *_caveats()):
        console.print(sentence, highlight=False, markup=False)
    console.print("\nNext:")
    for command in commands(found.best, data):
        console.print(f"  {command}", highlight=False, markup=False, soft_wrap=True)


def commands(best: Estimate, data: Sequence[str]) -> Iterator[str]:
    """What to type to train and to serve it."""
    base = best.base
    chosen = "" if base.short_name else f" --base {base.spec}"
    context = f" --context {best.context}" if best.context < base.context_length else ""
    if base.is_gated:
        yield f"export HF_TOKEN=your-token  # accept the licence of {base.hub_id} on the hub first"
    yield f"lora-chat finetune {shlex.join(data) or 'YOUR-FILE'}{chosen}"
    yield f"lora-chat serve{chosen}{context}"


def summary(found: Recommendation) -> str:
    """In one line."""
    if found.best is None:
        return "No known base that speaks Chinese and English fits into this machine's memory."
    return (
        f"To begin with, of the known bases: {found.best.base.spec}. "
        "`lora-chat bases recommend DATA` says which ones fit your data, and why."
    )


def _premises(here: Here, amount: Amount, data: Sequence[str]) -> Iterator[str]:
    yield f"Machine: {_told(here.machine)}"
    size = f"{amount.num_conversations:,} conversations, {LANGUAGES[amount.language]}"
    yield f"Data: {shlex.join(data)}: {size}" if data else f"Data: none named; reckoned with {size}"


def _told(machine: Machine) -> str:
    memory = f"{machine.memory_bytes / GIB:.0f} GiB of memory"
    gpu = (
        f"{machine.gpu} with {machine.gpu_memory_bytes / GIB:.0f} GiB" if machine.gpu else "no GPU"
    )
    return f"{machine.num_cores} cores, {memory}, {gpu}"


def _table(estimates: Sequence[Estimate]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("")
    table.add_column("base", no_wrap=True)
    for name in ("GiB to\ntrain", "time to\ntrain", "GiB to\nserve", "tokens/s"):
        table.add_column(name, justify="right")
    table.add_column("licence", no_wrap=True)
    for number, each in enumerate(estimates):
        table.add_row(
            "" if number else ">",
            Text(each.base.name, style="" if number else "bold"),
            f"{each.run_bytes / GIB:.1f}",
            _duration(each.hours),
            f"{each.serving_bytes / GIB:.1f}",
            f"{each.serving_rate:.1f}",
            each.base.licence + (", gated" if each.base.is_gated else ""),
        )
    return table


def _duration(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{max(1, round(60 * hours))} min"


def _reasons(found: Recommendation, best: Estimate) -> Iterator[str]:
    if not best.base.is_open:
        yield "The first one fits; all that fit want a consent, a licence's terms, or think first."
    elif best.is_quick:
        yield (
            f"The first is the largest that trains within {LONGEST:.0f} hours, answers with "
            f"{SLOWEST:.0f} tokens a second or more, and that anybody may use for anything."
        )
    else:
        yield (
            f"None of these trains within {LONGEST:.0f} hours and answers with {SLOWEST:.0f} "
            "tokens a second: the first is the smallest."
        )
    if found.others and any(each.base.thinks_first for each in found.others):
        yield "Qwen3 models write their thoughts before an answer, so they do not come first."
    counts = {
        "too large for this memory": found.num_too_large,
        "that do not speak the language": found.num_other_languages,
        "smaller": max(0, len(found.others) - (MOST - 1)),
    }
    if left_out := [f"{count} {what}" for what, count in counts.items() if count]:
        yield f"Not shown: {', '.join(left_out)}."


def _caveats() -> Iterator[str]:
    tried = [each.spec for each in read_catalogue().bases if each.tried != NOT_TRIED]
    yield (
        "Memory and speed are reckoned from sizes and from what this machine just multiplied and "
        "read; they may be off by half. Only " + ", ".join(tried) + " has been tried so far."
    )
