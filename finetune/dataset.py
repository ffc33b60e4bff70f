"""The rows of one run: those to train on and those held out, with where they came from."""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from data import Conversation, split_conversations
from data.chat import ChatRenderer, Rendered

from .card import DataSummary
from .config import TrainConfig
from .errors import ConfigError
from .rows import build_rows, with_system

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Dataset:
    rows: list[Rendered]
    held_out: list[Rendered]
    held_out_conversations: list[Conversation]
    summary: DataSummary


def prepare_dataset(
    conversations: Sequence[Conversation],
    renderer: ChatRenderer,
    config: TrainConfig,
    source: Path,
) -> Dataset:
    """Split and render. Raises DataError, and ConfigError where there is too little to split."""
    train, held_out = split_conversations(
        with_system(conversations, config.system), config.seed, fraction=config.holdout
    )
    if not train or not held_out:
        problem = "fewer than two different conversations: give at least two, better a hundred"
        raise ConfigError(str(source), [problem])
    rows, shortened = build_rows(train, renderer, config.max_tokens)
    held_out_rows, also_shortened = build_rows(held_out, renderer, config.max_tokens)
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
    )
    return Dataset(rows, held_out_rows, held_out, summary)


def hash_conversations(conversations: Sequence[Conversation]) -> str:
    """Of the conversations themselves, whatever file and format they came in."""
    digest = hashlib.sha256()
    for conversation in conversations:
        messages = [asdict(message) for message in conversation.messages]
        digest.update(json.dumps(messages, ensure_ascii=False, sort_keys=True).encode())
    return digest.hexdigest()
