"""What `lora-chat bases recommend` says: a table, why the first one is first, and what to type."""

import shlex
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from data.wording import N_, _
from finetune.bases.catalogue import NOT_TRIED, read_catalogue
from finetune.hardware import GIB, Machine
from service.recommendation import LONGEST, SLOWEST, Amount, BaseEstimate, Here, Recommendation

MOST = 8  # rows
LANGUAGES = {
    "Chinese": N_("Chinese"),
    "mixed": N_("Chinese and others"),
    "other": N_("no Chinese"),
}


def print_recommendation(
    found: Recommendation, here: Here, amount: Amount, data: Sequence[str], console: Console
) -> None:
    for line in _premises(here, amount, data):
        console.print(line, highlight=False, markup=False)
    console.print()
    if found.best is None:
        console.print(_("No known base that speaks this language fits into this memory."))
        for sentence in in_int4(found):
            console.print(sentence, highlight=False, markup=False)
        return
    console.print(_table([found.best, *found.others[: MOST - 1]]))
    console.print()
    for sentence in (*_reasons(found, found.best), *in_int4(found), *_caveats()):
        console.print(sentence, highlight=False, markup=False)
    console.print("\n" + _("Next:"))
    for command in commands(found.best, data):
        console.print(f"  {command}", highlight=False, markup=False, soft_wrap=True)


def commands(best: BaseEstimate, data: Sequence[str]) -> Iterator[str]:
    """What to type to train and to serve it."""
    base = best.base
    chosen = "" if base.short_name else f" --base {base.spec}"
    context = _context(best)
    if base.is_gated:
        first = _("accept the licence of {base} on the hub first").format(base=base.hub_id)
        yield f"export HF_TOKEN=your-token  # {first}"
    yield f"lora-chat finetune {shlex.join(data) or 'YOUR-FILE'}{chosen}"
    yield f"lora-chat serve{chosen}{context}"


def _context(each: BaseEstimate) -> str:
    """The option for the context that its memory was reckoned with, where the base has a longer."""
    return f" --context {each.context}" if each.context < each.base.context_length else ""


def summary(found: Recommendation) -> str:
    """A recommendation in one line."""
    if found.best is None:
        return _("No known base that speaks Chinese and English fits into this machine's memory.")
    return _(
        "To begin with, of the known bases: {base}, which should answer one reader with about "
        "{rate:.0f} tokens a second. `lora-chat bases recommend DATA` says which ones fit your "
        "data, and why."
    ).format(base=found.best.base.spec, rate=found.best.serving_rate)


def _premises(here: Here, amount: Amount, data: Sequence[str]) -> Iterator[str]:
    yield _("Machine: {machine}").format(machine=_told(here.machine))
    size = _("{count:,} conversations, {language}").format(
        count=amount.num_conversations, language=_(LANGUAGES[amount.language])
    )
    if data:
        yield _("Data: {files}: {size}").format(files=shlex.join(data), size=size)
    else:
        yield _("Data: none named; reckoned with {size}").format(size=size)


def _told(machine: Machine) -> str:
    gpu = _("no GPU")
    if machine.gpu:
        named = _("{gpu} with {size:.0f} GiB")
        gpu = named.format(gpu=machine.gpu, size=machine.gpu_memory_bytes / GIB)
    return _("{count} cores, {size:.0f} GiB of memory, {gpu}").format(
        count=machine.num_cores, size=machine.memory_bytes / GIB, gpu=gpu
    )


def _table(estimates: Sequence[BaseEstimate]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("")
    table.add_column(_("base"), no_wrap=True)
    for name in (_("GiB to\ntrain"), _("time to\ntrain"), _("GiB to\nserve"), _("tokens/s")):
        table.add_column(name, justify="right")
    table.add_column(_("licence"), no_wrap=True)
    for number, each in enumerate(estimates):
        table.add_row(
            "" if number else ">",
            Text(each.base.name, style="" if number else "bold"),
            f"{each.run_bytes / GIB:.1f}",
            _duration(each.hours),
            f"{each.serving_bytes / GIB:.1f}",
            f"{each.serving_rate:.1f}",
            each.base.licence + (_(", gated") if each.base.is_gated else ""),
        )
    return table


def _duration(hours: float) -> str:
    if hours >= 1:
        return _("{count:.1f} h").format(count=hours)
    return _("{count} min").format(count=max(1, round(60 * hours)))


def _reasons(found: Recommendation, best: BaseEstimate) -> Iterator[str]:
    if not best.base.is_open:
        yield _(
            "The first one fits; all that fit want a consent, a licence's terms, or think first."
        )
    elif best.is_quick:
        yield _(
            "The first is the largest that trains within {hours:.0f} hours, answers with "
            "{rate:.0f} tokens a second or more, and that anybody may use for anything."
        ).format(hours=LONGEST, rate=SLOWEST)
    else:
        yield _(
            "None of these trains within {hours:.0f} hours and answers with {rate:.0f} tokens a "
            "second: the first is the smallest."
        ).format(hours=LONGEST, rate=SLOWEST)
    if found.others and any(each.base.thinks_first for each in found.others):
        yield _("Qwen3 models write their thoughts before an answer, so they do not come first.")
    counts = {
        _("{count} too large for this memory"): found.num_too_large,
        _("{count} that do not speak the language"): found.num_other_languages,
        _("{count} smaller"): max(0, len(found.others) - (MOST - 1)),
    }
    if left_out := [told.format(count=count) for told, count in counts.items() if count]:
        yield _("Not shown: {left_out}.").format(left_out=_(", ").join(left_out))


def in_int4(found: Recommendation) -> Iterator[str]:
    """What could be served in four bits, where there is something that eight leave no room for."""
    if (each := found.served_in_int4) is None:
        return
    yield _(
        "In 4 bits this machine could serve {base}, with adapters trained elsewhere: with "
        "{options}, in {size:.1f} GiB and with about {rate:.1f} tokens a second. It answers less "
        "well than in 8, for which there is no room."
    ).format(
        base=each.base.spec,
        options=f"--precision int4{_context(each)}",
        size=each.serving_bytes / GIB,
        rate=each.serving_rate,
    )


def _caveats() -> Iterator[str]:
    tried = [each.spec for each in read_catalogue().bases if each.tried != NOT_TRIED]
    yield _(
        "Memory and speed are reckoned from sizes and from what this machine just multiplied and "
        "read; they may be off by half. Only {tried} has been tried so far."
    ).format(tried=", ".join(tried))
