"""Files that appear whole or not at all."""

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from .errors import UnreadableFile
from .wording import _

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a full disk, or a file beyond its limits


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
    except OSError as error:
        if error.errno in NO_ROOM and error.filename is None:  # of a write
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def check_folder(path: Path) -> None:
    """Raises UnreadableFile where a file's folder does not exist."""
    if not path.parent.is_dir():
        told = _("{source}: there is no folder {folder}; make it first")
        raise UnreadableFile(told.format(source=path, folder=path.parent))
