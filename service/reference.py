"""docs/cli.md: every command with its options, as `--help` says it."""

import re
from typing import Any

import typer
from typer.cli import get_docs_for_click

NAME = "lora-chat"
LISTS = re.compile(r"\*\*Commands\*\*:\n\n(?:\* .*\n)+\n")  # their first lines, cut short
BEGINNING = f"""# Commands

As `{NAME} COMMAND --help` prints it. Made from the program (`make docs`), not by hand.

"""


def reference() -> str:
    """The whole page, as Markdown."""
    from .cli import app

    command: Any = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), indent=1, name=NAME)
    return BEGINNING + LISTS.sub("", text).rstrip() + "\n"


if __name__ == "__main__":
    typer.echo(reference(), nl=False)
