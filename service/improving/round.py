"""One round of an adapter's improvement, as it lies in its folder.

    improving/<adapter>/<number>/            the frozen training set
    improving/<adapter>/<number>.decision    what the gate has decided, once it has
    improving/<adapter>/<number>.report/     candidate and served version side by side
    runs/<adapter>-round-<number>/           the training

Whatever is there is whole. What is missing was not reached, and is done when the round goes on.
"""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from data.conversation import Conversation
from data.reading.reader import read_conversations
from data.whole_file import make_lasting, remove_unfinished, whole_file
from finetune.adapters.version import AdapterVersion
from finetune.adapters.versions import find_version
from finetune.errors import AdapterInvalid, NotResumable
from finetune.improving.correction import Side
from finetune.improving.decision import Decision
from finetune.improving.training_set import HELD_OUT_FILE, TRAINED_FILE, FrozenSet, read_set
from finetune.training.run import read_state

FOLDER = "improving"  # below home


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
    def held_out(self) -> Path:
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

    def frozen(self) -> FrozenSet:
        """Raises ConfigError where it is not what was frozen."""
        return read_set(self.folder)

    def sides(self) -> dict[str, Side]:
        """Where each correction stands. Raises ConfigError."""
        frozen = self.frozen()
        sides: dict[str, Side] = dict.fromkeys(frozen.trained, "trained")
        sides.update(dict.fromkeys(frozen.held_out, "held_out"))
        return sides

    def held_out_before(self, num_corrections: int) -> list[Conversation]:
        """What the line held out without the corrections, which stand first. Raises DataError."""
        return read_conversations(self.held_out)[num_corrections:]

    def candidate(self) -> AdapterVersion | None:
        """What the training has made; None before its end, or where it was removed."""
        try:
            made = read_state(self.run).adapter
            return find_version(self.home / "adapters", made).read() if made else None
        except (NotResumable, AdapterInvalid):
            return None

    def forget_lost_run(self) -> None:
        """Remove a training that has come to its end, and whose version somebody has removed."""
        try:
            is_lost = bool(read_state(self.run).adapter)
        except NotResumable:
            return
        if is_lost:
            shutil.rmtree(self.run)

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

    def forget_report(self) -> None:
        """Remove half a report, of a gate that was ended."""
        shutil.rmtree(self.report, ignore_errors=True)
