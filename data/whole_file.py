"""Files and folders that appear whole or not at all, and standard output alike."""

import errno
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO

from .errors import UnreadableFile
from .wording import _

STANDARD_OUTPUT = Path("-")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a full disk, or a file beyond its limits
NO_FOLDERS = (errno.EINVAL, errno.ENOTSUP)  # of a file system that writes through files alone


@contextmanager
def whole_file(
    path: Path, *, encoding: str = "utf-8", newline: str | None = None
) -> Generator[TextIO]:
    """A text file that takes its place when all is written, and never does if that fails."""
    try:
        with (
            whole_path(path) as temporary,
            temporary.open("w", encoding=encoding, newline=newline) as file,
        ):
            yield file
    except OSError as error:
        if error.errno in NO_ROOM and error.filename is None:  # of a write
            error.filename = str(path)
        raise


@contextmanager
def whole_path(path: Path) -> Generator[Path]:
    """A name beside `path` for a new file, which takes its place unless the block raises."""
    temporary = path.with_name(f".{path.name}.{threading.get_native_id()}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_through(*paths: Path) -> None:
    """Let survive a power cut what is in files, and in folders which files they hold."""
    on_windows = os.name == "nt"  # which opens no folders, and only flushes what may be written
    for path in paths:
        is_folder = path.is_dir()
        if is_folder and on_windows:
            continue
        descriptor = os.open(path, os.O_RDWR if on_windows else os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if not is_folder or error.errno not in NO_FOLDERS:
                raise
        finally:
            os.close(descriptor)


def make_lasting(folder: Path) -> None:
    """Make a folder, and those above it, to survive a power cut."""
    if not folder.is_dir():
        make_lasting(folder.parent)
        folder.mkdir(exist_ok=True)
        write_through(folder.parent)


@contextmanager
def new_folder(parent: Path) -> Generator[Path]:
    """A hidden folder to fill and to rename into its place; what is left of it is removed."""
    temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
        told = _("there is no folder {folder}; make it first")
        raise UnreadableFile(path, told.format(folder=path.parent))
