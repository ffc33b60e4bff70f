"""Folders that appear whole or not at all."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from data.whole_file import new_folder
from data.wording import _

from .errors import ExportRefused


@contextmanager
def whole_folder(target: Path) -> Generator[Path]:
    """Yield an empty folder that takes `target`'s place when the block ends, and not if it raises.

    Raises ExportRefused where something is there already.
    """
    target = target.expanduser().resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        told = _("{folder} is there already, and not empty. Choose a new folder.")
        raise ExportRefused(told.format(folder=target))
    target.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(target.parent) as temporary:
        yield temporary
        temporary.chmod(0o755)
        if target.is_dir():
            target.rmdir()
        os.rename(temporary, target)
