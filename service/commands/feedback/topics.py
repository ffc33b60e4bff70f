"""`lora-chat feedback topics`: where each version of an adapter fails most."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from data.wording import _
from service.commands.opening import opened_home
from service.commands.streams import json_text, say
from service.options import ConfigOption, DatabaseOption, HomeOption, JsonOption
from service.telemetry.logs import printable

if TYPE_CHECKING:
    from service.feedback.topics import Overview, Tally, VersionTopic, VersionTopics

topics_app = typer.Typer()

SHOWN = 40  # [characters] of a question
NUM_WRONG = 2  # of what is wrong most


@topics_app.command(epilog="Example: `lora-chat feedback topics tcm`")
def topics(
    adapter: Annotated[
        str | None,
        typer.Argument(help="Only of its answers: NAME, or NAME@VERSION. [default: all]"),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, help="How many topics of a version; JSON has all.")
    ] = 10,
    wants_json: JsonOption = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """Show which questions each version answers badly.

    Questions that are alike make a topic; those with most bad answers come first. An answer is bad
    where somebody has said so, called it critical, or written another one.
    """
    from service.accounts.caller import ANYBODY
    from service.feedback.topics import Topics

    with opened_home(home, database, config) as kept:
        overview = Topics(*kept).of(ANYBODY, adapter)
    if wants_json:
        Console().out(json_text(asdict(overview), indent=2), highlight=False)
    else:
        _print(overview, Console(), limit)


def _print(overview: "Overview", console: Console, limit: int) -> None:
    from .view import NONE_YET

    if not overview.versions:
        console.print(_(NONE_YET), soft_wrap=True)
    for version in overview.versions:
        told = _("{version}: {bad} of {answers} answers are bad")
        named = printable(version.version)
        title = told.format(version=named, bad=version.bad, answers=version.answers)
        console.print(Text(title, style="bold"), soft_wrap=True)
        console.print(_table(version, limit))
        if (more := len(version.topics) - limit) > 0:
            say(_("… and {count} topics more (--limit).").format(count=more))
    if overview.left_out:
        told = _("Older feedback is left out: {count} items.")
        say(told.format(count=overview.left_out))


def _table(version: "VersionTopics", limit: int) -> Table:
    table = Table(
        Column(_("topic"), overflow="fold"),
        Column(_("bad"), no_wrap=True, justify="right"),
        Column(_("share"), no_wrap=True, justify="right"),
        Column(_("before → last 4 weeks"), no_wrap=True, justify="right"),
        Column(_("corrected"), no_wrap=True, justify="right"),
        Column(_("wrong most"), overflow="fold"),
        Column(_("for example"), overflow="fold"),
        box=None,
        pad_edge=False,
        collapse_padding=True,
    )
    for topic in version.topics[:limit]:
        table.add_row(*map(Text, _cells(topic)))
    return table


def _cells(topic: "VersionTopic") -> Iterator[str]:
    yield printable(topic.label)[:SHOWN] or _("(no text)")
    yield _shown(topic)
    yield f"{topic.bad / topic.answers:.0%}"
    yield f"{_shown(topic.before)} → {_shown(topic.recent)}"
    yield str(topic.corrections)
    yield _("; ").join(_wrong(topic))
    yield "\n".join(printable(each)[:SHOWN] for each in topic.examples)


def _shown(tally: "Tally") -> str:
    return f"{tally.bad}/{tally.answers}"


def _wrong(topic: "VersionTopic") -> Iterator[str]:
    from .view import FAULTS

    names: dict[str, str] = {**FAULTS}
    for each in topic.wrong[:NUM_WRONG]:
        what = _(names[each.what]) if each.by == "rule" else each.what
        yield f"{printable(what)} ({each.answers})"
