"""Files that appear whole or not at all, and standard output that gets all or nothing."""

import errno
import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO

from .errors import UnreadableFile
from .wording import _

STANDARD_OUTPUT = Path("-")
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


@contextmanager
def whole_output(path: Path) -> Generator[IO[str]]:
    """`whole_file`; where the path is -, standard output, in UTF-8 whatever a terminal has."""
    if path != STANDARD_OUTPUT:
        with whole_file(path) as file:
            yield file
        return
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        yield file
        file.seek(0)
        for line in file:
            sys.stdout.buffer.write(line.encode())
        sys.stdout.buffer.flush()


def check_folder(path: Path) -> None:
    """Raises UnreadableFile where a file's folder does not exist."""
    if not path.parent.is_dir():
        told = _("{source}: there is no folder {folder}; make it first")
        raise UnreadableFile(told.format(source=path, folder=path.parent))
