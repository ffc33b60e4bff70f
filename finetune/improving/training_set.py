"""An adapter's next training set: the last one and what was accepted, frozen before the training.

trained.jsonl      what is trained on
held_out.jsonl     what chooses the weights in training; first what the line held out before
measuring.jsonl    the corrections that the candidate is measured on, and nothing is chosen by
set.json           which correction stands where, and the files' hashes
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from data.conversation import Conversation
from data.convert import as_row
from data.errors import Fault
from data.likeness import asked
from data.reading.json_rows import read_jsonl
from data.reading.reader import read_conversations
from data.split import unlike
from data.whole_file import whole_file, write_through
from data.wording import N_, _
from finetune.errors import ConfigError
from finetune.preference.plan import ENOUGH, FEWEST
from finetune.training.going_on.identity import identify
from finetune.training.going_on.lineage import Lineage
from finetune.whole_folder import whole_folder

from .correction import Correction, Side

TRAINED_FILE, HELD_OUT_FILE, SET_FILE = "trained.jsonl", "held_out.jsonl", "set.json"
MEASURING_FILE = "measuring.jsonl"
FILES = (TRAINED_FILE, HELD_OUT_FILE, MEASURING_FILE)
FEWEST_CHOOSING = 5  # conversations that choose the weights; where fewer were held out, of others


@dataclass(frozen=True, slots=True)
class TrainingSet:
    trained: Sequence[Conversation]
    held_out: Sequence[Conversation]  # first what was held out before
    measuring: Sequence[Conversation]
    num_held_out_before: int
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])  # counts, by why


class FrozenSet(BaseModel):
    """What set.json says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    parent: str  # name@version that it goes on from
    corrections: dict[str, Side]  # by id, as they were divided
    digests: dict[str, str]  # of each, by id: what is said in it
    num_rows: dict[str, int]  # of the files
    num_held_out_before: int
    left_out: dict[str, int] = {}
    sha256: dict[str, str]  # of the files, in hex
    removed: tuple[str, ...] = ()  # ids whose content was taken out again

    def intact(self, folder: Path) -> bool:
        """Whether the files are what they were when they were frozen."""
        return self.sha256 == _hashes(folder)


def as_read(conversation: Conversation) -> Conversation | None:
    """The conversation as training will read it from a file; None where it will not."""
    found = [*read_jsonl(io.StringIO(_line(conversation)), conversation.source, {})]
    faulty = any(isinstance(each, Fault) and each.severity == "error" for each in found)
    read = [each for each in found if isinstance(each, Conversation)]
    return read[0] if len(read) == 1 and not faulty else None


def make_set(
    lineage: Lineage, corrections: Sequence[Correction], sides: Mapping[str, Side]
) -> TrainingSet:
    """The lineage's conversations and the corrections. A question that was corrected has lost its
    old answer, and nothing that is like what measures or chooses is trained on.

    Raises ConfigError where the lineage's conversations are not found, or not all of them.
    """
    if not lineage.trained or lineage.notes:
        why = [*lineage.notes] or [_("there are none in its runs")]
        told = _("The conversations that {adapter} was trained on are not found")
        raise ConfigError(told.format(adapter=lineage.parent), why)
    corrected = {asked(each.right) for each in corrections if each.measures}
    old = [each for each in lineage.trained if asked(each) not in corrected]
    before = [each for each in lineage.held_out if asked(each) not in corrected]
    known = {asked(each) for each in old}
    liked = [each for each in corrections if not each.measures and asked(each.right) in known]
    measuring = _newest(corrections, sides, "held_out", ())
    own = _newest(corrections, sides, "trained", liked)
    kept_old, kept_own = (unlike(rows, [*measuring, *before], ["user"]) for rows in (old, own))
    left_out = {
        N_("corrected"): len(lineage.trained) - len(old) + len(lineage.held_out) - len(before),
        N_("like what is held out"): len(old) - len(kept_old) + len(own) - len(kept_own),
        N_("answered already"): len(liked),
    }
    rows = [*kept_old, *kept_own]
    most = max(len(rows) // 3, not before)
    chosen = _from_all_over(rows, min(most, max(0, FEWEST_CHOOSING - len(before))))
    pairs = [each for each in kept_own if each.rejected and each not in chosen]
    if len(pairs) >= ENOUGH:  # a second stage learns from them, and has to be shown to help
        chosen += _from_all_over(pairs, FEWEST)
    rest = [each for each in rows if each not in chosen]
    trained = unlike(rest, chosen, ["user"]) if chosen else rest
    counts = {why: count for why, count in left_out.items() if count}
    return TrainingSet(trained, [*before, *chosen], measuring, len(before), counts)


def _from_all_over(rows: Sequence[Conversation], number: int) -> list[Conversation]:
    """So many of the rows, as far apart as they can be."""
    every = max(1, len(rows) // number) if number else 1
    return [*rows[::every]][:number]


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
    rows = dict(zip(FILES, (made.trained, made.held_out, made.measuring), strict=True))
    with whole_folder(folder) as staged:
        for name, conversations in rows.items():
            (staged / name).write_text("".join(map(_line, conversations)), encoding="utf-8")
        frozen = FrozenSet(
            parent=lineage.parent,
            corrections=dict(sides),
            digests=digests_of(corrections),
            num_rows={name: len(conversations) for name, conversations in rows.items()},
            num_held_out_before=made.num_held_out_before,
            left_out=dict(made.left_out),
            sha256=_hashes(staged),
        )
        (staged / SET_FILE).write_text(frozen.model_dump_json(indent=1) + "\n", encoding="utf-8")
        write_through(*staged.iterdir(), staged)
    write_through(folder.parent)
    return frozen


def digests_of(corrections: Sequence[Correction]) -> dict[str, str]:
    """What is said in each, by id."""
    return {each.id: identify(each.right) for each in corrections}


def read_set(folder: Path) -> FrozenSet:
    """Raises ConfigError where it is not what was frozen."""
    frozen = _read(folder)
    if not frozen.intact(folder):
        raise ConfigError(str(folder), [_("its files are not what was frozen")])
    return frozen


def take_out(folder: Path, ids: Set[str]) -> bool:
    """Remove corrections from a frozen set; their ids stay as tombstones. Returns whether any is,
    or was, in it: whoever is ended on the way does it again.

    Raises ConfigError, and OSError where a file cannot be written.
    """
    frozen = _read(folder)
    own = {*ids}.intersection(frozen.corrections)
    if not own:
        return False
    gone = {frozen.digests[each] for each in own}
    counts = {name: _keep(folder / name, gone) for name in FILES}
    removed = tuple(dict.fromkeys((*frozen.removed, *sorted(own))))
    taken = {"num_rows": counts, "sha256": _hashes(folder), "removed": removed}
    with whole_file(folder / SET_FILE, lasting=True) as file:
        file.write(frozen.model_copy(update=taken).model_dump_json(indent=1) + "\n")
    return True


def _keep(path: Path, gone: Set[str]) -> int:
    """Rewrite a file without the conversations of these identities; returns how many are left."""
    lines = [*io.StringIO(path.read_text("utf-8"))]  # splitlines would cut within texts
    rows = read_conversations(path) if lines else []
    kept = [line for line, row in zip(lines, rows, strict=True) if identify(row) not in gone]
    with whole_file(path, lasting=True) as file:
        file.writelines(kept)
    return len(kept)


def _line(conversation: Conversation) -> str:
    return json.dumps(as_row(conversation), ensure_ascii=False) + "\n"


def _read(folder: Path) -> FrozenSet:
    try:
        return FrozenSet.model_validate(json.loads((folder / SET_FILE).read_text("utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise ConfigError(str(folder / SET_FILE), [str(error)]) from None


def _newest(
    corrections: Sequence[Correction],
    sides: Mapping[str, Side],
    side: Side,
    without: Sequence[Correction],
) -> list[Conversation]:
    """Those of a side; of one question what was accepted last."""
    own = [each for each in corrections if sides[each.id] == side and each not in without]
    return [*{asked(each.right): each.right for each in own}.values()]


def _hashes(folder: Path) -> dict[str, str]:
    return {name: _hash(folder / name) for name in FILES}


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
