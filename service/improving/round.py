"""One round of an adapter's improvement, as it lies in its folder.

    improving/<adapter>/<number>/            the frozen training set
    improving/<adapter>/<number>.decision    what the gate has decided, once it has
    improving/<adapter>/<number>.report/     candidate and served version side by side
    runs/<adapter>-round-<number>/           the training

Whatever is there is whole. What is missing was not reached, and is done when the round goes on.
"""

import json
import shutil
from collections.abc import Generator, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from data.conversation import Conversation
from data.reading.reader import read_conversations
from data.whole_file import make_lasting, remove_new, remove_unfinished, remove_whole, whole_file
from data.wording import _
from finetune.adapters.version import AdapterVersion
from finetune.adapters.versions import find_version
from finetune.errors import AdapterInvalid, NotResumable
from finetune.improving.correction import Side
from finetune.improving.decision import Decision
from finetune.improving.training_set import (
    HELD_OUT_FILE,
    TRAINED_FILE,
    FrozenSet,
    read_set,
    take_out,
)
from finetune.training.run import read_state, settle
from service.errors import JobRefused

FOLDER = "improving"  # below home
GLANCE = 0.5  # [seconds]


@contextmanager
def alone(home: Path, adapter: str) -> Generator[None]:
    """One process at a time changes what there is of an adapter's rounds, and what its name means.
    Raises JobRefused where another one does."""
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(folder / f"{adapter}.lock", timeout=GLANCE)
    try:
        lock.acquire()
    except Timeout:
        told = _("{adapter} is being improved; wait until that has ended.")
        raise JobRefused(told.format(adapter=adapter)) from None
    try:
        yield
    finally:
        lock.release()


def check_alone(home: Path, adapter: str) -> None:
    """Raises JobRefused where another process is at it."""
    with alone(home, adapter):
        pass


def served_version(home: Path, adapter: str) -> AdapterVersion:
    """The version that an adapter's name means. Raises AdapterInvalid where there is no such
    adapter, or it cannot be served."""
    served = find_version(home / "adapters", adapter).read()
    if "@" in adapter:
        told = _("{adapter} is a version. Name the adapter: {name}")
        raise AdapterInvalid(told.format(adapter=adapter, name=served.name))
    return served


@dataclass(frozen=True, slots=True)
class Round:
    home: Path
    adapter: str
    number: int

    @property
    def folder(self) -> Path:
        return self.home / FOLDER / self.adapter / str(self.number)

    @property
    def run(self) -> Path:
        return self.home / "runs" / f"{self.adapter}-round-{self.number}"

    @property
    def report(self) -> Path:
        return self.folder.with_name(f"{self.number}.report")

    @property
    def trained(self) -> Path:
        return self.folder / TRAINED_FILE

    @property
    def choosing(self) -> Path:
        """What chooses the weights while it trains."""
        return self.folder / HELD_OUT_FILE

    @property
    def _decision(self) -> Path:
        return self.folder.with_name(f"{self.number}.decision")

    @property
    def is_frozen(self) -> bool:
        return self.folder.is_dir()

    def make_room(self) -> None:
        """What people say is for nobody else on this machine."""
        make_lasting(self.folder.parent)
        (self.home / FOLDER).chmod(0o700)
        remove_unfinished(self.folder.parent)
        remove_new(self.folder.parent)

    def frozen(self) -> FrozenSet:
        """Raises ConfigError where it is not what was frozen."""
        return read_set(self.folder)

    def sides(self) -> dict[str, Side]:
        """Where each correction stands. Raises ConfigError."""
        frozen = self.frozen()
        return {key: side for key, side in frozen.corrections.items() if key not in frozen.removed}

    def held_out_before(self) -> list[Conversation]:
        """What the line held out before. Raises DataError."""
        number = self.frozen().num_held_out_before
        return read_conversations(self.choosing)[:number] if number else []

    def candidate(self) -> AdapterVersion | None:
        """What the training has made, also where it was ended before it could note so; None before
        that, or where it was removed."""
        try:
            made = settle(self.run, self.home / "adapters", promotes=False)
        except NotResumable:
            return None
        return made.read() if made else None

    def forget_lost_run(self) -> None:
        """Remove a training that has come to its end, and whose version somebody has removed; what
        was decided of that is not of the next one."""
        try:
            is_lost = bool(read_state(self.run).adapter)
        except NotResumable:
            return
        if is_lost:
            shutil.rmtree(self.run)
            self._decision.unlink(missing_ok=True)

    def decision(self) -> Decision | None:
        """None before there is one."""
        try:
            told = json.loads(self._decision.read_text("utf-8"))
        except FileNotFoundError:
            return None
        return Decision(**told | {"reasons": tuple(told["reasons"])})

    def decide(self, decision: Decision) -> None:
        with whole_file(self._decision, lasting=True) as file:
            json.dump(asdict(decision), file, ensure_ascii=False, indent=1)

    def remove(self) -> None:
        """Forget the round, and what was trained in it so far."""
        self.forget_report()
        shutil.rmtree(self.run, ignore_errors=True)
        self._decision.unlink(missing_ok=True)
        remove_whole(self.folder)

    def take_out(self, ids: Set[str]) -> bool:
        """Remove corrections from the set, and what shows them. Returns whether any is, or was, in
        it. Raises ConfigError, and OSError where a file cannot be written."""
        if not take_out(self.folder, ids):
            return False
        self.forget_report()
        if self.candidate() is None:  # what was trained so far has seen them
            shutil.rmtree(self.run, ignore_errors=True)
        return True

    def forget_report(self) -> None:
        """Remove half a report, of a gate that was ended."""
        shutil.rmtree(self.report, ignore_errors=True)
