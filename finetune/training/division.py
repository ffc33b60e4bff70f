"""Which conversations are trained on and which are held out, of a first training and of later ones.

What was held out stays so for all that go on from an adapter, unless it is asked again: then the
new answer is trained, and the old one measures no longer.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.conversation import Conversation
from data.split import split_conversations, unlike
from data.wording import _
from finetune.errors import ConfigError

from .going_on.identity import identify
from .going_on.lineage import Lineage
from .rows import TrainingData

logger = logging.getLogger(__name__)

FEW = 20  # new conversations: up to so many are corrections, typed by hand, and none is held out


@dataclass(frozen=True, slots=True)
class Share:
    """How much is held out of what is divided, and which part."""

    fraction: float
    seed: int
    is_asked_for: bool = False  # also of a few

    def split(
        self, conversations: Sequence[Conversation]
    ) -> tuple[list[Conversation], list[Conversation]]:
        """What is trained on, and what is held out."""
        return split_conversations([*conversations], self.seed, fraction=self.fraction)


@dataclass(frozen=True, slots=True)
class Division:
    trained: list[Conversation]
    held_out: list[Conversation]  # those of the lineage last
    num_inherited: int = 0  # of the held-out ones, the lineage's
    num_left_out: int = 0  # held out so far, and asked now
    are_corrections: bool = False


def divide(data: TrainingData, share: Share, lineage: Lineage | None = None) -> Division:
    """Raises ConfigError where nothing could be trained on, or nothing measures."""
    conversations = data.conversations
    if data.validation_source is not None:
        return _checked(_with_validation(data, lineage), data.source)
    if lineage is None:
        return _checked(Division(*share.split(conversations)), data.source)
    if len(conversations) <= FEW and not share.is_asked_for:
        if not lineage.held_out:
            raise ConfigError(str(data.source), [_nothing_measures(len(conversations), lineage)])
        if kept := unlike(lineage.held_out, conversations):
            num_left_out = len(lineage.held_out) - len(kept)
            return Division([*conversations], kept, len(kept), num_left_out, True)
    new = unlike(conversations, [*lineage.trained, *lineage.held_out])
    own = share.split(new)[1]
    return _checked(_beside_lineage(conversations, own, lineage), data.source)


def _with_validation(data: TrainingData, lineage: Lineage | None) -> Division:
    """Hold out a file of its own but for what is trained on, too: the same questions, or nearly the
    same text. Equal answers alone are no leak here: whoever has divided the data has seen them."""
    known = [*data.conversations, *(lineage.trained if lineage else ())]
    own = unlike(data.validation, known, ("user",))
    told = _(
        "{count} of {total} conversations of {file} ask what is trained on, too, or are nearly the "
        "same: they measure nothing, and are left out"
    ).format(
        count=len(data.validation) - len(own),
        total=len(data.validation),
        file=data.validation_source,
    )
    if not own:
        better = _("give others, or leave the file out: then some of {source} measure")
        problem = f"{told}; {better.format(source=data.source)}"
        raise ConfigError(_("The options have faults"), [f"validation: {problem}"])
    if len(own) < len(data.validation):
        logger.warning("%s", told)
    if lineage is None:
        return Division([*data.conversations], own)
    inherited = {*map(identify, lineage.held_out)}
    own = [each for each in own if identify(each) not in inherited]
    return _beside_lineage(data.conversations, own, lineage)


def _beside_lineage(
    conversations: Sequence[Conversation], own: list[Conversation], lineage: Lineage
) -> Division:
    """Hold out what the lineage does, too: what comes again word for word stays where it was."""
    out = {*map(identify, (*own, *lineage.held_out))}
    trained = [each for each in conversations if identify(each) not in out]
    kept = unlike(lineage.held_out, trained)
    num_left_out = len(lineage.held_out) - len(kept)
    return Division(trained, [*own, *kept], len(kept), num_left_out)


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
