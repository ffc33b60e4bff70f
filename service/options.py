"""Options that several commands take."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from data.wording import _
from finetune.defaults import DEFAULT_BASE

from .home import VARIABLE

KEY_VARIABLE = "LORA_CHAT_KEY"  # for commands that talk to a server


def as_percent(text: str) -> int:
    """A share as people write it, 10% or 10. Raises typer.BadParameter."""
    number = text.strip().removesuffix("%").rstrip()
    if not number.isascii() or not number.isdecimal() or int(number) >= 100:
        raise typer.BadParameter(_("{text!r} is no share: write such as 10%").format(text=text))
    return int(number)


def _speak(language: Literal["en", "zh"] | None) -> None:
    """What the terminal asks for counts from the beginning; what is said here counts more."""
    from data.wording import environment_language, prefer, speak

    if language is not None:
        speak(language)
    elif asked := environment_language():
        prefer(asked)


LangOption = Annotated[
    Literal["en", "zh"] | None,
    typer.Option(
        "--lang",
        callback=_speak,
        is_eager=True,
        help="The language of what is said, and of reports; --help stays in English. [default: the "
        "terminal's, by LC_ALL or LANG, or else the data's]",
    ),
]
HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        help=f"The folder that keeps adapters, bases and runs. [default: ${VARIABLE} or "
        "~/.lora-chat]",
    ),
]
BaseOption = Annotated[
    str | None,
    typer.Option(
        "--base",
        help="The base model: a short name, a folder, a .gguf file, or an id of the Hugging Face "
        f"hub. [default: {DEFAULT_BASE}]",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(help="Only of this model, as it was asked for or as it answered: tcm, tcm@3:1."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="The server's YAML file, which may say where its database is. [default: serve.yaml "
        "in the home folder]",
    ),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        help="Where keys, their usage and jobs are kept: a URL such as "
        "postgresql://user@host/name. [default: the server's setting, or state.db in the home "
        "folder]",
    ),
]
ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        help="A running server that trains instead of this machine, such as "
        "https://clinic.example:8000.",
    ),
]
ServerKeyOption = Annotated[
    str | None,
    typer.Option(
        "--key",
        "--api-key",
        envvar=KEY_VARIABLE,
        help="A key of that server, with the scope train, where it asks for one.",
    ),
]
