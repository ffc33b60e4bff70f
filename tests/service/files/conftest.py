"""Files of a home, with a clock that stands until it is moved."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.accounts.caller import ANYBODY, Caller
from service.files.files import Files
from service.files.stored_file import StoredFile
from service.state.database import State


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


Add = Callable[..., StoredFile]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def files(own_state: State, home: Path, clock: Clock) -> Files:
    return Files(own_state, home, "here", clock)


@pytest.fixture
def add(files: Files) -> Add:
    """Let a file of some bytes come in; then who brings it, what it is called, what is allowed."""

    def come(
        content: bytes = b"x",
        caller: Caller = ANYBODY,
        name: str = "a.jsonl",
        limit: int = 1000,
        most: int = 100,
        seconds: int | None = None,
    ) -> StoredFile:
        with closing(files.arrival(caller, limit, most)) as arrival:
            arrival.begin(name)
            arrival.write(content)
            arrival.end()
            return files.add(arrival, caller, purpose="fine-tune", most=most, seconds=seconds)

    return come


def left(home: Path) -> list[str]:
    """All that lies among the files of a home."""
    folder = home / "files"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(name="left")
def left_fixture(home: Path) -> Callable[[], list[str]]:
    return lambda: left(home)
