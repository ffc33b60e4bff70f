"""Files that appear whole or not at all."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from .errors import UnreadableFile


@contextmanager
def whole_file(
    path: Path, *, encoding: str = "utf-8", newline: str | None = None
) -> Generator[TextIO]:
    """A text file that takes its place when all is written, and never does if that fails."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding=encoding, newline=newline) as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_folder(path: Path) -> None:
    """Raises UnreadableFile where a file's folder does not exist."""
    if not path.parent.is_dir():
        raise UnreadableFile(f"{path}: there is no folder {path.parent}; make it first")
