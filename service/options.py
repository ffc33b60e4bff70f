"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

from .home import VARIABLE

DEFAULT_BASE = "smollm2-135m"  # finetune.base has it, at the price of a slower --help

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
