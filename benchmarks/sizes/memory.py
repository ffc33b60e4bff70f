"""A process's memory at its highest, by kind: what is its own, and what is a file's."""

import threading
from contextlib import suppress
from pathlib import Path

import psutil

LOOK = 0.01  # [seconds] between two looks
KINDS = ("RssAnon", "RssFile", "VmRSS")


class MemoryWatch:
    """Looks at a process, and those that it starts if it is told so, until it is left."""

    def __init__(self, process_id: int, with_children: bool = False) -> None:
        self._process = psutil.Process(process_id)
        self._with_children = with_children
        self._highest = dict.fromkeys(KINDS, 0)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def anonymous(self) -> int:
        """[bytes] at the highest that no file backs."""
        return self._highest["RssAnon"]

    @property
    def resident(self) -> int:
        """[bytes] at the highest, parts of files that are mapped among them."""
        return self._highest["VmRSS"]

    def _look_on(self) -> None:
        while not self._done.wait(LOOK):
            processes = [self._process.pid]
            if self._with_children:
                with suppress(psutil.NoSuchProcess):
                    processes += [child.pid for child in self._process.children(recursive=True)]
            found = [each for each in map(_read, processes) if each is not None]
            for kind in KINDS:
                total = sum(each[kind] for each in found)
                self._highest[kind] = max(self._highest[kind], total)


def _read(process_id: int) -> dict[str, int] | None:
    """[bytes] of each kind; None of a process that has ended."""
    try:
        text = Path(f"/proc/{process_id}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    if KINDS[0] not in lines:
        return None
    return {kind: int(lines[kind].split()[0]) * 1024 for kind in KINDS}
