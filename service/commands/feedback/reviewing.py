"""`lora-chat feedback accept|edit|reject|critical|review`: deciding what is trained on."""

import os
import shlex
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from data.wording import N_, _
from service.commands.opening import opened, opened_home
from service.commands.streams import say
from service.options import ConfigOption, DatabaseOption, HomeOption, ModelOption

if TYPE_CHECKING:
    from service.feedback.item import FeedbackItem
    from service.feedback.review import Decision
    from service.state.database import State as Database

review_app = typer.Typer()

ItemIds = Annotated[list[str], typer.Argument(metavar="ID…", help="As `feedback list` shows them.")]
CriticalOption = Annotated[
    bool | None,
    typer.Option(
        help="Whether the answer that was given must never be given again: no version that gives "
        "it is promoted by itself.",
    ),
]

KEYS = N_("a: accept, e: edit, r: reject, c: accept as critical, s: skip, q: quit")
DONE = {
    "new": N_("{id} is new again."),
    "accepted": N_("{id} is accepted."),
    "edited": N_("{id} is accepted as you wrote it."),
    "rejected": N_("{id} is rejected."),
}


@review_app.command(epilog="Example: `lora-chat feedback accept fb-0123456789ab --critical`")
def accept(
    item_ids: ItemIds,
    critical: CriticalOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """Let the next training learn the correction, or the good answer."""
    _decide(item_ids, "accept", (home, database, config), critical=critical)


@review_app.command(epilog='Example: `lora-chat feedback edit fb-0123456789ab --answer "Rest."`')
def edit(
    item_id: Annotated[str, typer.Argument(metavar="ID", help="As `feedback list` shows it.")],
    answer: Annotated[
        str | None, typer.Option(help="The right answer. [default: your $EDITOR opens]")
    ] = None,
    critical: CriticalOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """Accept with a right answer of your own."""
    _decide([item_id], "accept", (home, database, config), answer or "", critical=critical)


@review_app.command(epilog="Example: `lora-chat feedback reject fb-0123456789ab`")
def reject(
    item_ids: ItemIds,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """Let no training learn of it."""
    _decide(item_ids, "reject", (home, database, config))


@review_app.command(epilog="Example: `lora-chat feedback reopen fb-0123456789ab`")
def reopen(
    item_ids: ItemIds,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """Take a decision back: it is new again."""
    _decide(item_ids, "reopen", (home, database, config))


@review_app.command(epilog="Example: `lora-chat feedback review --model tcm`")
def review(
    model: ModelOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """Decide of what is new, one after the other, with single keys.

    Each is shown with what the correction changes, with other corrections of the same question, and
    with what looks like personal data.
    """
    from service.accounts.caller import ANYBODY
    from service.feedback.feedback import Feedback
    from service.feedback.findings import Findings

    from .view import print_item

    console = Console()
    with opened_home(home, database, config) as kept:
        state, findings = kept[0], Findings(*kept)
        items = Feedback(state).page(ANYBODY, order="asc", model=model, state="new")
        if not items:
            say(_("Nothing is new."))
        for number, item in enumerate(items, start=1):
            console.rule(f"{number} / {len(items)}")
            (found,) = findings.of([item], ANYBODY)
            print_item(found, console)
            say(_(KEYS))
            if not _decided_by_key(state, item):
                break


def _decided_by_key(state: "Database", item: "FeedbackItem") -> bool:
    """Whether to go on with the next."""
    from service.errors import InvalidRequest

    while True:
        key = typer.getchar().lower()
        try:
            if key in ("q", "\x03", "\x04", ""):
                return False
            if key == "s":
                return True
            if key in ("a", "c"):
                _say_decided(state, item.id, "accept", critical=key == "c" or None)
                return True
            if key == "r":
                _say_decided(state, item.id, "reject")
                return True
            if key == "e":
                _say_decided(state, item.id, "accept", "")
                return True
        except (InvalidRequest, typer.BadParameter) as error:
            say(str(error))


def _decide(
    item_ids: list[str],
    decision: "Decision",
    where: tuple[Path | None, str | None, Path | None],
    answer: str | None = None,
    *,
    critical: bool | None = None,
) -> None:
    with opened(*where) as state:
        for item_id in item_ids:
            _say_decided(state, item_id, decision, answer, critical=critical)


def _say_decided(
    state: "Database",
    item_id: str,
    decision: "Decision",
    answer: str | None = None,
    *,
    critical: bool | None = None,
) -> None:
    """An empty answer is one that is still to be written."""
    from service.accounts.caller import ANYBODY
    from service.feedback.feedback import Feedback
    from service.feedback.review import Review

    if answer == "":
        answer = _written(Feedback(state).find(item_id, ANYBODY))
    item = Review(state).decide(item_id, ANYBODY, decision, answer, critical=critical)
    say(_(DONE[item.state]).format(id=item.id))


def _written(item: "FeedbackItem") -> str:
    """The right answer as it comes out of the editor; it begins with what is there."""
    before = item.right_answer or item.answer["message"].get("content") or ""
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
    if not editor:
        told = _("name your editor in $EDITOR, or give the answer with --answer")
        raise typer.BadParameter(told, param_hint="--answer")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "answer.txt"
        path.write_text(before, encoding="utf-8")
        status = subprocess.run([*editor, str(path)], check=False).returncode
        written = "" if status else path.read_text("utf-8").strip()
    if not written or (item.right_answer is None and written == before.strip()):
        raise typer.BadParameter(_("nothing was written"), param_hint="--answer")
    return written
