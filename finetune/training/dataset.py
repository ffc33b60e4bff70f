"""The rows of one run: those to train on and those held out, with where they came from."""

import hashlib
import json
import logging
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from data import Conversation, split_conversations
from data.chat import ChatRenderer, Rendered
from data.checking.own_words import OwnWords
from data.length import fit
from data.likeness import normalized
from data.shipped import conversations_to_mix_in
from finetune.adapters.card import DataSummary
from finetune.errors import ConfigError

from .config import TrainConfig
from .rows import build_rows, with_system

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Dataset:
    rows: list[Rendered]
    held_out: list[Rendered]
    held_out_conversations: list[Conversation]
    summary: DataSummary

    @property
    def sha256(self) -> str:
        """Of the rows as they are trained on, in order."""
        digest = hashlib.sha256()
        for row in (*self.rows, *self.held_out):
            digest.update(repr((row.token_ids, row.trained)).encode())
        return digest.hexdigest()


def prepare_dataset(
    conversations: Sequence[Conversation],
    renderer: ChatRenderer,
    config: TrainConfig,
    source: Path,
    old: Sequence[Conversation] = (),
) -> Dataset:
    """Split and render; some of the old conversations are trained on too, none is held out.

    Raises DataError, and ConfigError where there is too little to split.
    """
    fitting = with_system(conversations, config.system)
    if config.faulty != "stop":
        fitting, faults = fit(fitting, renderer, config.max_tokens, config.faulty)
        for fault in faults:
            logger.warning("%s", fault.seen)
    train, held_out = split_conversations(fitting, config.seed, fraction=config.holdout)
    if not train or not held_out:
        problem = "fewer than two different conversations: give at least two, better a hundred"
        raise ConfigError(str(source), [problem])
    older = with_system(_unlike(old, held_out), config.system)  # as the server will ask
    replayed = _choose(older, config.replay_ratio * len(train), config.seed)
    if old:
        logger.info("%d of %d older conversations are trained on again", len(replayed), len(old))
    mixed_in = with_system(_mix_in(config.general_mix * len(train), config.seed), config.system)
    rows, shortened = build_rows([*train, *replayed, *mixed_in], renderer, config.max_tokens)
    held_out_rows, also_shortened = build_rows(held_out, renderer, config.max_tokens)
    _say_own_words([*train, *held_out, *replayed], renderer)
    if num_shortened := shortened + also_shortened:
        logger.warning(
            "%d conversations were longer than %d tokens and lost their oldest turns",
            num_shortened,
            config.max_tokens,
        )
    summary = DataSummary(
        source=source.name,
        sha256=hash_conversations(conversations),
        num_conversations=len(conversations),
        num_trained=len(train),
        num_held_out=len(held_out),
        num_shortened=num_shortened,
        num_replayed=len(replayed),
        num_mixed_in=len(mixed_in),
    )
    return Dataset(rows, held_out_rows, held_out, summary)


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
        logger.warning(
            "general_mix asks for %d everyday conversations, and there are %d; give a file of your "
            "own to --replay for more",
            round(wanted),
            len(known),
        )
    return chosen


def _unlike(old: Sequence[Conversation], held_out: Sequence[Conversation]) -> list[Conversation]:
    """Those that ask nothing which is held out."""
    known = {_asked(conversation) for conversation in held_out}
    return [conversation for conversation in old if _asked(conversation) not in known]


def _asked(conversation: Conversation) -> str:
    return "\n".join(
        normalized(message.content) for message in conversation.messages if message.role == "user"
    )


def _choose(conversations: Sequence[Conversation], wanted: float, seed: int) -> list[Conversation]:
    """As many as are wanted, or all, by the seed."""
    number = min(len(conversations), round(wanted))
    return random.Random(f"{seed}:replay").sample(conversations, number)


def hash_conversations(conversations: Sequence[Conversation]) -> str:
    """Of the conversations themselves, whatever file and format they came in."""
    digest = hashlib.sha256()
    for conversation in conversations:
        messages = [asdict(message) for message in conversation.messages]
        digest.update(json.dumps(messages, ensure_ascii=False, sort_keys=True).encode())
    return digest.hexdigest()
