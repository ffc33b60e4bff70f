"""A file on its way in: counted and written as it comes, and gone again unless it is kept."""

from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

from data.reading.source import guess_suffix
from data.whole_file import write_through
from service.errors import LimitReached, UploadTooLarge
from service.uploads.room import room_needed

from .shelf import Shelf
from .stored_file import safe_name

BEGINNING = 1 << 16  # [bytes] that show what a file is whose name does not say it


class Arrival:
    """One file. Every method but `close` raises DiskFull or NotAllowed."""

    def __init__(self, shelf: Shelf, file_id: str, limit: int, left: int | None) -> None:
        self.id = file_id
        self.filename = ""
        self.num_bytes = 0
        self._shelf = shelf
        self._limit = limit  # [bytes]
        self._left = left  # [bytes] that its key may have yet; None: any number
        self._stack = ExitStack()
        self._path: Path | None = None
        self._file: BinaryIO | None = None
        self._is_kept = False

    @property
    def has_begun(self) -> bool:
        return self._path is not None

    def begin(self, name: str) -> None:
        self.filename = safe_name(name)
        with _room():
            folder = self._stack.enter_context(self._shelf.filling(self.id))
            self._path = folder / self.filename
            self._file = self._path.open("xb")

    def write(self, data: bytes | memoryview) -> None:
        """Raises UploadTooLarge or LimitReached, too."""
        self.num_bytes += len(data)
        if self.num_bytes > self._limit:
            raise UploadTooLarge(
                f"The file is too large: one may have {self._limit} bytes (the server's setting "
                "file_limit)."
            )
        if self._left is not None and self.num_bytes > self._left:
            raise LimitReached(
                f"This key may have {self._left} more bytes of files, and this one is larger. "
                "Delete files that nobody needs."
            )
        with _room():
            self._opened.write(data)

    def end(self) -> None:
        """Let what has come survive a power cut, under its whole name."""
        with _room():
            self._opened.close()
            path = self._named()
            write_through(path, path.parent, path.parent.parent)

    def keep(self) -> None:
        """Its row is there, so that closing leaves it alone."""
        self._is_kept = True

    def close(self) -> None:
        """Whatever has happened: no file stays open, and none that nobody knows of."""
        if self._file is not None:
            with suppress(OSError):  # what is left in the buffer has no room; the folder goes
                self._file.close()
        if self.has_begun and not self._is_kept:
            self._shelf.remove(self.id)
        self._stack.close()

    @property
    def _opened(self) -> BinaryIO:
        if self._file is None:
            raise RuntimeError("no file has been begun")
        return self._file

    def _named(self) -> Path:
        """A name that does not say what the file is gets the suffix of what it looks like."""
        if self._path is None or self._path.suffix:
            return self._shelf.path(self.id, self.filename)
        with self._path.open("rb") as file:
            self.filename += guess_suffix(file.read(BEGINNING))
        self._path = self._path.rename(self._path.with_name(self.filename))
        return self._path


def _room() -> AbstractContextManager[None]:
    return room_needed(
        "The server's disk has no room for this file; nothing of it was kept. Delete files that "
        "nobody needs, or ask the server's operator for room.",
        "This server may only read its home: no file can come in or go.",
    )
