"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

from .home import VARIABLE

KEY_VARIABLE = "LORA_CHAT_KEY"  # for commands that talk to a server
DEFAULT_BASE = "smollm2-135m"  # finetune.bases.base has it, at the price of a slower --help

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", help=f"Where adapters and runs live. [default: ${VARIABLE} or ~/.lora-chat]"
    ),
]
BaseOption = Annotated[
    str | None,
    typer.Option(
        "--base", help="Short name, folder, .gguf file or hub id. [default: smollm2-135m]"
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="The server's YAML file. [default: serve.yaml below home]"),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        help="URL of the database with the keys, such as postgresql://user@host/name. "
        "[default: the server's setting, or state.db below home]",
    ),
]
