"""What people say of answers, for a person or a program to read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from difflib import SequenceMatcher

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from data.local_time import local_time
from data.wording import N_, _
from service.commands.streams import json_text
from service.feedback.faults import Fault, personal_in
from service.feedback.findings import Found
from service.feedback.item import FeedbackItem, State
from service.telemetry.logs import printable

FAULTS: Mapping[Fault, str] = {
    "unended": N_("without an end"),
    "repeating": N_("going round in circles"),
    "other_language": N_("in another script than the question"),
    "empty": N_("empty"),
    "no_disclaimer": N_("without the disclaimer that its correction has"),
    "contradicts": N_("unlike what was accepted for the same question"),
}
STATES: Mapping[State, str] = {
    "new": N_("new"),
    "accepted": N_("accepted"),
    "edited": N_("edited"),
    "rejected": N_("rejected"),
    "in_training": N_("in training"),
    "shipped": N_("shipped"),
}
RATINGS = {1: N_("good"), 0: N_("neither"), -1: N_("bad")}
SHOWN = 40  # [characters] of a question in a list
NONE_YET = N_("Nobody has said anything of an answer yet. docs/feedback.md says how to.")


def print_items(items: Sequence[FeedbackItem], console: Console, *, wants_json: bool) -> None:
    if wants_json:
        console.out(json_text({"feedback": [*map(asdict, items)]}, indent=2), highlight=False)
        return
    if not items:
        console.print(_(NONE_YET), soft_wrap=True)
        return
    table = Table(
        Column("id", no_wrap=True, min_width=len(items[0].id)),
        Column(_("answered"), overflow="fold"),
        Column(_("said"), overflow="fold"),
        Column(_("state"), overflow="fold"),
        Column(_("question"), overflow="fold"),
        Column(_("when"), no_wrap=True),
        box=None,
        pad_edge=False,
        collapse_padding=True,
    )
    for item in items:
        said = _("; ").join(_summary(item))
        asked, when = _question(item)[:SHOWN], local_time(item.created)
        table.add_row(*map(_line, (item.id, _answered(item), said, _state(item), asked, when)))
    console.print(table)


def print_item(found: Found, console: Console, *, wants_json: bool = False) -> None:
    if wants_json:
        console.out(json_text(asdict(found.item), indent=2), highlight=False)
        return
    table = Table("", "", show_header=False, box=None)
    table.columns[0].style = "bold"
    table.columns[1].overflow = "fold"
    for label, value in _details(found):
        if value:
            table.add_row(label, value)
    console.print(table)


def _details(found: Found) -> Iterator[tuple[str, Text | str]]:
    item = found.item
    answer = item.answer["message"].get("content") or ""
    yield "id", item.id
    yield _("when"), local_time(item.created)
    yield _("state"), _state(item)
    yield _("answered"), _line(_answered(item))
    yield _("said"), _line(_("; ").join(_summary(item)))
    for message in item.messages:
        yield message["role"], _line(message.get("content") or "")
    old, new = _compared(answer, item.written or answer)
    yield "assistant", old
    if item.written:
        yield _("correction"), new
    yield _("note"), _line(item.note or "")
    yield _("faults"), _("; ").join(_(FAULTS[each]) for each in found.faults)
    yield _("contradicts"), " ".join(found.contradicts)
    yield _("personal data"), Text(_("; ").join(personal_in(item)), style="bold yellow")


def _state(item: FeedbackItem) -> str:
    state = _(STATES[item.state])
    return f"{state} ({item.version})" if item.version else state


def _line(text: str) -> Text:
    """What a stranger wrote, without anything that would steer the terminal."""
    return Text("\n".join(map(printable, text.splitlines())))


def _compared(before: str, after: str) -> tuple[Text, Text]:
    """An answer and its correction; what only one of them has stands out."""
    old, new = _line(before), _line(after)
    matcher = SequenceMatcher(None, old.plain, new.plain, autojunk=False)
    for kind, begin, end, new_begin, new_end in matcher.get_opcodes():
        if kind != "equal":
            old.stylize("red", begin, end)
            new.stylize("bold green", new_begin, new_end)
    return old, new


def _answered(item: FeedbackItem) -> str:
    """The versions, the scale of a single one left out where it is 1."""
    return item.pinned if "+" in item.pinned else item.pinned.removesuffix(":1")


def _summary(item: FeedbackItem) -> Iterator[str]:
    if item.critical:
        yield _("critical")
    if item.rating is not None:
        yield _(RATINGS[item.rating])
    yield from item.reasons
    if item.correction is not None:
        yield _("corrected")


def _question(item: FeedbackItem) -> str:
    asked = [each.get("content") or "" for each in item.messages if each["role"] == "user"]
    return " ".join(asked[-1].split()) if asked else ""
