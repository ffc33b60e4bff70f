"""What all commands have in common: what Ctrl-C says, and what values that cannot be are told."""

from typing import Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from data.wording import N_, _
from finetune.errors import Interrupted
from finetune.wrong_values import sentence

from .streams import say

EXIT_CODE = 130  # what shells give a program that Ctrl-C has ended
KEPT = {
    "finetune": N_("Stopped before anything was trained. The same command begins anew."),
    "eval": N_("Stopped before the report was complete. The same command begins anew."),
    "chat": N_("The chat has ended."),
    "bench": N_(
        "Stopped before all requests were answered, so there are no figures. Fewer --requests take "
        "less time."
    ),
    "serve": N_("Stopped before the server was ready."),
    "data split": N_(
        "Stopped. A file that is there is complete; remove it before you split again."
    ),
    "data label": N_(
        "Stopped. The drafts so far are kept; the same command goes on with the rest."
    ),
    "bases pull": N_(
        "Stopped. What has been downloaded is kept; the same command goes on from there."
    ),
}
OTHERWISE = N_("Stopped. Nothing was changed.")


class Commands(TyperGroup):
    """Commands that Ctrl-C may end at any time: no error, but a sentence and exit code 130."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().make_context(*arguments, **options)
        except typer.BadParameter as error:
            raise _in_own_words(error) from error.__cause__

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Interrupted as error:
            said = str(error)
        except KeyboardInterrupt:
            group = ctx.command_path.removeprefix(ctx.find_root().command_path)
            said = _(KEPT.get(f"{group} {ctx.invoked_subcommand}".strip(), OTHERWISE))
        except typer.BadParameter as error:
            raise _in_own_words(error) from error.__cause__
        say(f"\n{said}", err=True)
        raise typer.Exit(EXIT_CODE)


def _in_own_words(error: typer.BadParameter) -> typer.BadParameter:
    """The error, without pydantic's words where it comes of typer's reading of values."""
    if isinstance(error.__cause__, ValidationError):
        error.message = _("; ").join(map(_told, error.__cause__.errors()))
    return error


def _told(item: Any) -> str:
    return _("{fault} (found {value!r})").format(fault=sentence(item), value=item["input"])
