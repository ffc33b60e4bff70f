"""Which conversations are trained on and which are held out, of a first training and of later ones.

What was held out stays so for all that go on from an adapter, unless it is asked again: then the
new answer is trained, and the old one measures no longer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.conversation import Conversation
from data.split import split_conversations, unlike
from data.wording import _
from finetune.errors import ConfigError

from .config import TrainConfig
from .going_on.identity import identify
from .going_on.lineage import Lineage

FEW = 20  # new conversations: up to so many are corrections, typed by hand, and none is held out


@dataclass(frozen=True, slots=True)
class Division:
    trained: list[Conversation]
    held_out: list[Conversation]  # those of the lineage last
    num_inherited: int = 0  # of the held-out ones, the lineage's
    num_left_out: int = 0  # held out so far, and asked now
    are_corrections: bool = False


def divide(
    conversations: Sequence[Conversation],
    config: TrainConfig,
    source: Path,
    lineage: Lineage | None = None,
) -> Division:
    """Raises ConfigError where nothing could be trained on, or nothing measures."""
    if lineage is None:
        return _checked(Division(*_split(conversations, config)), source)
    if len(conversations) <= FEW and "holdout" not in config.model_fields_set:
        if not lineage.held_out:
            raise ConfigError(str(source), [_nothing_measures(len(conversations), lineage)])
        if kept := unlike(lineage.held_out, conversations):
            num_left_out = len(lineage.held_out) - len(kept)
            return Division([*conversations], kept, len(kept), num_left_out, True)
    return _checked(_divide_many(conversations, config, lineage), source)


def _divide_many(
    conversations: Sequence[Conversation], config: TrainConfig, lineage: Lineage
) -> Division:
    """Hold out of what is new, too; what is word for word the lineage's stays where it was."""
    new = unlike(conversations, [*lineage.trained, *lineage.held_out])
    _trained, own = _split(new, config)
    out = {*map(identify, (*own, *lineage.held_out))}
    trained = [each for each in conversations if identify(each) not in out]
    kept = unlike(lineage.held_out, trained)
    num_left_out = len(lineage.held_out) - len(kept)
    return Division(trained, [*own, *kept], len(kept), num_left_out)


def _split(
    conversations: Sequence[Conversation], config: TrainConfig
) -> tuple[list[Conversation], list[Conversation]]:
    return split_conversations([*conversations], config.seed, fraction=config.holdout)


def _checked(division: Division, source: Path) -> Division:
    if not division.trained or not division.held_out:
        problem = _("fewer than two different conversations: give at least two, better a hundred")
        raise ConfigError(str(source), [problem])
    return division


def _nothing_measures(number: int, lineage: Lineage) -> str:
    why = "".join(_(" {note}.").format(note=note) for note in lineage.notes)
    return _(
        "{count} conversations are too few to hold some of them out, and of what {parent} held out "
        "nothing is found.{why} Put its data back where it was, or say where it is now (--replay "
        "FILE); or let some of the new ones measure (--holdout 0.3)."
    ).format(count=number, parent=lineage.parent, why=why)
