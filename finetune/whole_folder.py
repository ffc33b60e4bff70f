"""Folders that appear whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from .errors import ExportRefused


@contextmanager
def whole_folder(target: Path) -> Generator[Path]:
    """Yield an empty folder that takes `target`'s place when the block ends, and not if it raises.

    Raises ExportRefused where something is there already.
    """
    target = target.expanduser().resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ExportRefused(f"{target} is there already, and not empty. Choose a new folder.")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        if target.is_dir():
            target.rmdir()
        os.rename(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
