"""An adapter's next training set: the last one and what was accepted, frozen before the training.

trained.jsonl    what is trained on
held_out.jsonl   what measures, never to be trained on by any version of the line
set.json         which correction stands where, and the files' hashes
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from data.conversation import Conversation
from data.convert import write_conversations
from data.likeness import asked
from data.split import unlike
from data.whole_file import write_through
from data.wording import N_, _
from finetune.errors import ConfigError
from finetune.training.going_on.lineage import Lineage
from finetune.whole_folder import whole_folder

from .correction import Correction, Side

TRAINED_FILE, HELD_OUT_FILE, SET_FILE = "trained.jsonl", "held_out.jsonl", "set.json"


@dataclass(frozen=True, slots=True)
class TrainingSet:
    trained: Sequence[Conversation]
    held_out: Sequence[Conversation]
    num_measuring: int = 0  # of those held out, that are corrections: the first ones
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])  # counts, by why


class FrozenSet(BaseModel):
    """What set.json says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    parent: str  # name@version that it goes on from
    trained: tuple[str, ...]  # ids of the corrections that are trained on
    held_out: tuple[str, ...]  # and of those that measure
    num_trained: int  # conversations
    num_held_out: int
    num_measuring: int  # of those held out, that are corrections: the first ones
    left_out: dict[str, int] = {}
    sha256: dict[str, str]  # of the two files, in hex
    removed: tuple[str, ...] = ()  # ids whose content was taken out again

    def intact(self, folder: Path) -> bool:
        """Whether both files are what they were when they were frozen."""
        return self.sha256 == {name: _hash(folder / name) for name in (TRAINED_FILE, HELD_OUT_FILE)}


def make_set(
    lineage: Lineage, corrections: Sequence[Correction], sides: Mapping[str, Side]
) -> TrainingSet:
    """The lineage's conversations and the corrections. A question that was corrected has lost its
    old answer, and nothing that is like what measures is trained on.

    Raises ConfigError where the lineage's conversations are not found.
    """
    if not lineage.trained:
        why = [*lineage.notes] or [_("there are none in its runs")]
        told = _("The conversations that {adapter} was trained on are not found")
        raise ConfigError(told.format(adapter=lineage.parent), why)
    corrected = {asked(each.right) for each in corrections}
    old = [each for each in lineage.trained if asked(each) not in corrected]
    old_out = [each for each in lineage.held_out if asked(each) not in corrected]
    own = _newest([each for each in corrections if sides[each.id] == "trained"])
    own_out = _newest([each for each in corrections if sides[each.id] == "held_out"])
    held_out = [*own_out, *old_out]
    kept_old, kept_own = (unlike(rows, held_out, ["user"]) for rows in (old, own))
    left_out = {
        N_("corrected"): len(lineage.trained) - len(old) + len(lineage.held_out) - len(old_out),
        N_("like what is held out"): len(old) - len(kept_old) + len(own) - len(kept_own),
    }
    counts = {why: count for why, count in left_out.items() if count}
    return TrainingSet([*kept_old, *kept_own], held_out, len(own_out), counts)


def freeze(
    made: TrainingSet,
    lineage: Lineage,
    corrections: Sequence[Correction],
    sides: Mapping[str, Side],
    folder: Path,
) -> FrozenSet:
    """Write a set into a new folder, which is there whole or not at all, and survives a power
    cut."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(folder) as staged:
        for name, rows in ((TRAINED_FILE, made.trained), (HELD_OUT_FILE, made.held_out)):
            write_conversations(rows, staged / name)
        frozen = FrozenSet(
            parent=lineage.parent,
            trained=tuple(each.id for each in corrections if sides[each.id] == "trained"),
            held_out=tuple(each.id for each in corrections if sides[each.id] == "held_out"),
            num_trained=len(made.trained),
            num_held_out=len(made.held_out),
            num_measuring=made.num_measuring,
            left_out=dict(made.left_out),
            sha256={name: _hash(staged / name) for name in (TRAINED_FILE, HELD_OUT_FILE)},
        )
        (staged / SET_FILE).write_text(frozen.model_dump_json(indent=1) + "\n", encoding="utf-8")
        write_through(*staged.iterdir(), staged)
    write_through(folder.parent)
    return frozen


def read_set(folder: Path) -> FrozenSet:
    """Raises ConfigError where it is not what was frozen."""
    try:
        frozen = FrozenSet.model_validate(json.loads((folder / SET_FILE).read_text("utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise ConfigError(str(folder / SET_FILE), [str(error)]) from None
    if not frozen.intact(folder):
        raise ConfigError(str(folder), [_("its files are not what was frozen")])
    return frozen


def _newest(corrections: Sequence[Correction]) -> list[Conversation]:
    """Keep, of one question, the correction that was accepted last."""
    found = {asked(each.right): each.right for each in corrections}
    return list(found.values())


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
