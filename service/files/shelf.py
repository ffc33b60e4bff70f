"""Where the content of files lies: home/files/<id>/<name>, a folder for each.

A file is there once the database has its row. So a folder without a row is one that is being
filled, by a process that holds its lock for as long, or what somebody who was killed has left.
"""

import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from data.whole_file import make_lasting

FOLDER = "files"  # below home
OWN_MODE = 0o700  # what people train on is nobody else's to read
LOCK = ".lock"


class Shelf:
    """The folders of all files of a home."""

    def __init__(self, home: Path) -> None:
        self.folder = home / FOLDER

    def path(self, file_id: str, filename: str) -> Path:
        return self.folder / file_id / filename

    @contextmanager
    def filling(self, file_id: str) -> Generator[Path]:
        """A new folder, which nobody takes for a leftover for as long as the block lasts.

        What is left there of somebody who was killed while filling it goes.
        """
        make_lasting(self.folder)
        with self._held(file_id):
            self.remove(file_id)
            folder = self.folder / file_id
            folder.mkdir(OWN_MODE)
            yield folder

    @contextmanager
    def if_left(self, file_id: str) -> Generator[bool]:
        """Whether nobody fills the folder; nobody will as long as the block lasts."""
        try:
            with self._held(file_id):
                yield True
        except Timeout:
            yield False

    def remove(self, file_id: str) -> None:
        shutil.rmtree(self.folder / file_id, ignore_errors=True)

    def file_ids(self) -> Iterator[str]:
        """All that have a folder, or a lock that somebody who was killed has left."""
        if not self.folder.is_dir():
            return
        names = {each.name.removeprefix(".").removesuffix(LOCK) for each in self.folder.iterdir()}
        yield from sorted(names)

    @contextmanager
    def _held(self, file_id: str) -> Generator[None]:
        """Raises Timeout where somebody else holds it."""
        path = self.folder / f".{file_id}{LOCK}"
        # Requests are answered by several threads, one after the other.
        lock = FileLock(path, blocking=False, thread_local=False)
        lock.acquire()
        try:
            yield
        finally:
            lock.release()
            path.unlink(missing_ok=True)
