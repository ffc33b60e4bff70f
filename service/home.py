"""Where adapters, bases and runs live: --home, LORA_CHAT_HOME, or ~/.lora-chat."""

import os
from pathlib import Path

VARIABLE = "LORA_CHAT_HOME"
DEFAULT_HOME = Path("~/.lora-chat")


def find_home(option: Path | None) -> Path:
    """The first of: the option, the environment variable, ~/.lora-chat. It need not exist yet."""
    chosen = option or os.environ.get(VARIABLE) or DEFAULT_HOME
    return Path(chosen).expanduser().absolute()


def without_folders(message: str, *folders: Path) -> str:
    """A message for clients, to whom it is nothing where this machine keeps things."""
    for folder in folders:
        message = message.replace(f"{folder}{os.sep}", "")
    return message
