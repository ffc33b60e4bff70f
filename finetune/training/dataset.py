"""The rows of one run: those to train on and those held out, with where they came from."""

import hashlib
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data.chat import ChatRenderer, Rendered
from data.checking.own_words import OwnWords
from data.conversation import Conversation, good_ones
from data.shipped import conversations_to_mix_in
from data.split import unlike
from data.wording import _
from finetune.adapters.card import DataSummary
from finetune.errors import ConfigError

from .config import TrainConfig
from .division import Division, Share, divide
from .going_on.identity import hash_conversations, identify
from .going_on.lineage import Lineage
from .rows import RowMaker, TrainingData

logger = logging.getLogger(__name__)

LEAST_REPLAYED = 40  # old conversations, or all that there are, when a run goes on from an adapter


@dataclass(frozen=True, slots=True)
class Dataset:
    rows: list[Rendered]  # the new ones first
    held_out: list[Rendered]
    held_out_conversations: list[Conversation]
    summary: DataSummary
    num_left_out: int = 0  # that an earlier training held out, and that are asked now
    num_corrections: int = 0  # of the rows, where none of the new conversations is held out
    # Conversations with an answer that people like less, or with what they say of their answer:
    judged: Sequence[Conversation] = ()  # of those that are trained on, as a server will ask
    held_out_judged: Sequence[Conversation] = ()

    @property
    def sha256(self) -> str:
        """The SHA-256 of the rows as they are trained on, in order."""
        digest = hashlib.sha256()
        for row in (*self.rows, *self.held_out):
            digest.update(repr((row.token_ids, row.trained)).encode())
        for each in (*self.judged, *self.held_out_judged):
            said = [message.content for message in (*each.messages, *each.rejected)]
            digest.update(repr((said, each.is_good)).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    @property
    def identities(self) -> tuple[str, ...]:
        """The identities by which those held out are known when an adapter is gone on from."""
        return tuple(dict.fromkeys(map(identify, self.held_out_conversations)))


class DatasetMaker:
    """Makes datasets by one run's options, for one base's template."""

    def __init__(self, config: TrainConfig, renderer: ChatRenderer) -> None:
        self._config = config
        self._rows = RowMaker.of(config, renderer)

    def prepare(self, data: TrainingData, lineage: Lineage | None = None) -> Dataset:
        """Split and render; some of the old conversations are trained on too, none is held out.

        Without old ones they come from the lineage. Raises DataError, and ConfigError where there
        is too little to split.
        """
        config, fitting = self._config, self._rows.fitting
        fitted = replace(
            data, conversations=fitting(data.conversations), validation=fitting(data.validation)
        )
        share = Share(config.holdout, config.seed, "holdout" in config.model_fields_set)
        division = divide(fitted, share, lineage)
        _check_good(division, data.source)
        return self.build(data, division, self._replay(division, data.old, lineage))

    def build(
        self,
        data: TrainingData,
        division: Division,
        replayed: Sequence[Conversation] = (),
    ) -> Dataset:
        """Render what has been divided, with everyday conversations mixed in. Raises DataError."""
        asked = self._rows.asked
        judged, held_out_judged = (
            [each for each in asked(side) if each.rejected or each.is_good is not None]
            for side in (division.trained, division.held_out)
        )
        trained, held_out, older = (
            asked(good_ones(some)) for some in (division.trained, division.held_out, replayed)
        )
        mixed_in = asked(_mix_in(self._config.general_mix * len(trained), self._config.seed))
        rows, shortened = self._rows.rows([*trained, *older, *mixed_in])
        held_out_rows, also_shortened = self._rows.rows(held_out)
        _say_own_words([*trained, *held_out, *older], self._rows.renderer)
        if num_shortened := shortened + also_shortened:
            told = _(
                "{count} conversations were longer than {tokens} tokens and lost their oldest turns"
            )
            logger.warning("%s", told.format(count=num_shortened, tokens=self._rows.max_tokens))
        summary = DataSummary(
            source=data.source.name,
            sha256=hash_conversations(data.conversations),
            num_conversations=len(data.conversations),
            num_trained=len(trained),
            num_held_out=len(held_out),
            held_out_source=data.validation_source.name if data.validation_source else None,
            num_inherited=division.num_inherited,
            num_shortened=num_shortened,
            num_replayed=len(older),
            num_mixed_in=len(mixed_in),
        )
        num_corrections = len(trained) if division.are_corrections else 0
        return Dataset(
            rows,
            held_out_rows,
            held_out,
            summary,
            division.num_left_out,
            num_corrections,
            judged,
            held_out_judged,
        )

    def _replay(
        self, division: Division, old: Sequence[Conversation], lineage: Lineage | None
    ) -> list[Conversation]:
        """Old conversations to train on again: none that is held out, nor, of a lineage, that is
        answered anew."""
        known, ratio = [*division.held_out], self._config.replay_ratio
        wanted = ratio * len(division.trained)
        if lineage is not None:
            given = {*map(identify, old)}
            old = [each for each in lineage.trained if not given or identify(each) in given]
            known += division.trained
            wanted = max(wanted, LEAST_REPLAYED) if ratio else 0
        replayed = _choose(unlike(old, known), wanted, self._config.seed)
        if old:
            told = _("{count} of {total} older conversations are trained on again")
            logger.info("%s", told.format(count=len(replayed), total=len(old)))
        return replayed


def _check_good(division: Division, source: Path) -> None:
    """Raises ConfigError where, but for answers that are judged bad, there is nothing on a side."""
    for side in (division.trained, division.held_out):
        if not good_ones(side):
            problem = _(
                "too few answers that are not judged bad: examples are learned first, so give at "
                "least two, better a hundred"
            )
            raise ConfigError(str(source), [problem])


def _say_own_words(conversations: Sequence[Conversation], renderer: ChatRenderer) -> None:
    own_words = OwnWords(renderer)
    for conversation in conversations:
        own_words.add(conversation)
    for fault in own_words.warnings():
        logger.warning("%s", fault)


def _mix_in(wanted: float, seed: int) -> list[Conversation]:
    if not wanted:
        return []
    known = conversations_to_mix_in()
    chosen = _choose(known, wanted, seed)
    if len(chosen) < round(wanted):
        told = _(
            "general_mix asks for {wanted} everyday conversations, and there are {known}; give a "
            "file of your own to --replay for more"
        )
        logger.warning("%s", told.format(wanted=round(wanted), known=len(known)))
    return chosen


def _choose(conversations: Sequence[Conversation], wanted: float, seed: int) -> list[Conversation]:
    """Choose as many conversations as are wanted, or all, by the seed."""
    number = min(len(conversations), round(wanted))
    return random.Random(f"{seed}:replay").sample(conversations, number)
