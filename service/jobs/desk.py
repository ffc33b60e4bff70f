"""Where jobs lie below a home: who works on one, and which home it is."""

import os
import secrets
from collections.abc import Collection, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from data.whole_file import whole_file

FOLDER = "jobs"  # below home
PLACE_FILE = "place"
TAKING = "taking"
LOOK = 0.05  # [seconds] that somebody who only looks whether a lock is held waits at most
GLANCE = 0.5  # [seconds] longer than anybody takes who only looks whether a lock is held


def place_of(home: Path) -> str | None:
    """A home's name as `Desk.place` gives it; None where no job has ever been made in it."""
    try:
        return (home / FOLDER / PLACE_FILE).read_text(encoding="ascii").strip()
    except OSError:
        return None


class Desk:
    """The folder of the jobs that are worked on. Whoever works on one holds its lock, which the
    system takes from a process that ends, however it ends."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / FOLDER
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def place(self) -> str:
        """A name for this home that no other has."""
        if known := place_of(self.home):
            return known
        with self.taking():
            if not place_of(self.home):
                with whole_file(self.folder / PLACE_FILE, lasting=True) as file:
                    file.write(secrets.token_hex(8))
        return place_of(self.home) or ""

    @contextmanager
    def taking(self) -> Generator[None]:
        """One process at a time decides who works on what."""
        with FileLock(self.folder / f"{TAKING}.lock"):
            yield

    @contextmanager
    def working_on(self, job_id: str) -> Generator[bool]:
        """Hold a job for as long as the block lasts; yields False where another process does."""
        lock = FileLock(self._lock(job_id), timeout=GLANCE)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        try:
            own = psutil.Process()
            with whole_file(self._holder(job_id)) as file:
                file.write(f"{own.pid} {own.create_time()}")
            yield True
        finally:
            lock.release()

    def is_held(self, job_id: str) -> bool:
        path = self._lock(job_id)
        if not path.exists():
            return False
        try:  # whoever looks at the same moment is gone at once
            with FileLock(path, timeout=LOOK, poll_interval=LOOK / 10):
                return False
        except Timeout:
            return True

    def holder(self, job_id: str) -> psutil.Process | None:
        """The process that works on a job; None where there is none, or not known yet."""
        if not self.is_held(job_id):
            return None
        try:
            pid, created = self._holder(job_id).read_text(encoding="ascii").split()
            process = psutil.Process(int(pid))
            return process if process.create_time() == float(created) else None
        except (OSError, ValueError, psutil.Error):
            return None

    def kill(self, job_id: str) -> None:
        """End whoever works on a job, and what they have started, at once."""
        process = self.holder(job_id)
        if process is None or process.pid == os.getpid():
            return
        with suppress(psutil.Error):
            for each in [*process.children(recursive=True), process]:
                with suppress(psutil.Error):
                    each.kill()

    def log(self, job_id: str) -> Path:
        """What a job's process says."""
        return self.folder / f"{job_id}.log"

    def left_by(self, in_work: Collection[str]) -> list[str]:
        """The jobs that something lies here of although nobody works on them any more."""
        known = {path.stem for path in self.folder.glob("*.lock")} - {TAKING}
        return [each for each in known.difference(in_work) if not self.is_held(each)]

    def forget(self, job_id: str) -> None:
        """Remove what lies here of a job that has ended, unless somebody holds it again."""
        with suppress(Timeout), FileLock(self._lock(job_id), timeout=LOOK):
            self._holder(job_id).unlink(missing_ok=True)
            self._lock(job_id).unlink(missing_ok=True)

    def _lock(self, job_id: str) -> Path:
        return self.folder / f"{job_id}.lock"

    def _holder(self, job_id: str) -> Path:
        return self.folder / f"{job_id}.process"
