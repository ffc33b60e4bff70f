"""Files and folders that appear whole or not at all, and standard output alike."""

import errno
import os
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TextIO

from .errors import UnreadableFile
from .wording import _

REMOVED = ".removed-"
STANDARD_OUTPUT = Path("-")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a full disk, or a file beyond its limits
FORGOTTEN = 3600.0  # [seconds] after which nobody writes what has not taken its place
NO_FOLDERS = (errno.EINVAL, errno.ENOTSUP)  # of a file system that writes through files alone


@contextmanager
def whole_file(
    path: Path, *, encoding: str = "utf-8", newline: str | None = None, lasting: bool = False
) -> Generator[TextIO]:
    """A text file that takes its place when all is written, and never does if that fails."""
    try:
        with (
            whole_path(path, lasting=lasting) as temporary,
            temporary.open("w", encoding=encoding, newline=newline) as file,
        ):
            yield file
    except OSError as error:
        if error.errno in NO_ROOM and error.filename is None:  # of a write
            error.filename = str(path)
        raise


@contextmanager
def whole_path(path: Path, *, lasting: bool = False) -> Generator[Path]:
    """A name beside `path` for a new file, which takes its place unless the block raises.

    What is lasting has survived a power cut when the block has ended: the old file, or the new one.
    """
    temporary = path.with_name(f".{path.name}.{threading.get_native_id()}")
    try:
        yield temporary
        if lasting:
            write_through(temporary)
        temporary.replace(path)
        if lasting:
            write_through(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove the files that `whole_path` was about to put into a folder where nobody writes."""
    for leftover in folder.glob(".*.*"):
        if leftover.suffix[1:].isdecimal():
            leftover.unlink()


def remove_forgotten(path: Path) -> None:
    """Remove the files that `whole_path` was about to put at `path` long ago, since whoever wrote
    them was killed. Others may write there now; what cannot be removed stays."""
    for leftover in path.parent.glob(f".{path.name}.*"):
        with suppress(OSError):
            is_old = time.time() - leftover.stat().st_mtime > FORGOTTEN
            if is_old and leftover.suffix[1:].isdecimal():
                leftover.unlink()


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
def new_folder(parent: Path, owner: str = "") -> Generator[Path]:
    """A hidden folder to fill and to rename into its place; what is left of it is removed.

    An owner makes one at a time: what is left of theirs, since they were killed, goes first.
    """
    if owner:
        remove_new(parent, owner)
    temporary = Path(tempfile.mkdtemp(prefix=_prefix(owner), dir=parent))
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_new(parent: Path, owner: str = "") -> None:
    """Remove what an owner, or anybody, began to make in a folder."""
    for leftover in parent.glob(f"{_prefix(owner)}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def remove_whole(path: Path) -> None:
    """Rename it out of sight first: nobody ever finds half of it."""
    os.rename(path, path.with_name(f"{REMOVED}{secrets.token_hex(8)}"))
    for leftover in path.parent.glob(f"{REMOVED}*"):  # of removals that were cut short, too
        if leftover.is_symlink():
            leftover.unlink()
        else:
            shutil.rmtree(leftover)


def _prefix(owner: str) -> str:
    return f".new-{owner}-" if owner else ".new-"


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
