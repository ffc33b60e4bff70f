"""Conversations as the trainer sees them: read as the options say, fitted, and rendered."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data.chat import ChatRenderer, Rendered
from data.checking.check import read_checked
from data.conversation import Conversation, Message
from data.errors import Fault, InvalidData, MarkInText
from data.length import fit, too_long
from data.personal import redact_conversation
from data.reading.beginning import speak_like_files
from data.reading.reader import ReadOptions, read_conversations
from data.wording import _

from .config import TrainConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a run reads, before it is divided."""

    source: Path
    conversations: Sequence[Conversation]
    old: Sequence[Conversation] = ()  # some of which are trained on again
    validation_source: Path | None = None  # what is held out, if not some of the conversations
    validation: Sequence[Conversation] = ()


def read_data(
    path: Path, config: TrainConfig, options: ReadOptions | None = None
) -> list[Conversation]:
    """The conversations; other `options` win. Raises DataError."""
    return _redacted(read_conversations(path, options or config.reading), config)


def read_checked_data(path: Path, config: TrainConfig) -> list[Conversation]:
    """The same, with a warning of what is suspicious. Raises DataError with all faults."""
    speak_like_files(path)
    conversations, findings = read_checked(path, config.reading)
    warnings = [
        f"{_(kind)} {count}"
        for (severity, kind), count in findings.counts.items()
        if severity == "warning"
    ]
    if warnings:
        told = _(
            "Worth a look before you train on it: {kinds}. `lora-chat data check {path}` says where"
        )
        logger.warning("%s", told.format(kinds=_(", ").join(warnings), path=path))
    return _redacted(conversations, config)


def read_training_data(path: Path, config: TrainConfig) -> TrainingData:
    """All that a run reads, with the same warnings. Raises DataError with all faults of a file."""
    new, old, validation = (
        read_checked_data(each, config) if each else []
        for each in (path, config.replay, config.validation)
    )
    return TrainingData(path, new, old, config.validation, validation)


def _redacted(conversations: list[Conversation], config: TrainConfig) -> list[Conversation]:
    return [redact_conversation(each) for each in conversations] if config.redact else conversations


def build_rows(
    conversations: Iterable[Conversation], renderer: ChatRenderer, max_tokens: int
) -> tuple[list[Rendered], int]:
    """Render every conversation; those too long lose their oldest turns, never the last answer.

    Returns the rows and how many were shortened. Raises InvalidData listing all conversations
    whose last question and answer alone are too long, or that hold marks of the chat template.
    """
    rows: list[Rendered] = []
    faults: list[Fault] = []
    num_shortened = 0
    for conversation in conversations:
        try:
            row, shortened = _fit(conversation, renderer, max_tokens)
        except MarkInText as error:
            faults.append(error.as_fault(conversation.source, conversation.line))
            continue
        num_shortened += shortened
        if len(row.token_ids) > max_tokens:
            faults.append(too_long(conversation, len(row.token_ids), max_tokens))
        rows.append(row)
    if faults:
        summary = _(
            "Some conversations cannot be trained on (of what is too long, --faulty mend cuts the "
            "answers, --faulty skip leaves it out):"
        )
        raise InvalidData(summary, faults)
    return rows, num_shortened


def with_system(conversations: Iterable[Conversation], system: str | None) -> list[Conversation]:
    """Give each conversation without a system message this one."""
    if system is None:
        return list(conversations)
    message = Message("system", system)
    return [
        conversation
        if conversation.messages[0].role == "system"
        else replace(conversation, messages=(message, *conversation.messages))
        for conversation in conversations
    ]


def without_system(conversations: Iterable[Conversation], system: str | None) -> list[Conversation]:
    """The conversations as they stood in the data, before they were given this system prompt."""
    return [
        replace(each, messages=each.messages[1:])
        if each.messages[0] == Message("system", system or "")
        else each
        for each in conversations
    ]


def fitting(
    conversations: Iterable[Conversation], renderer: ChatRenderer, config: TrainConfig
) -> list[Conversation]:
    """Conversations with the system prompt, and without what `faulty` leaves out for its length."""
    kept = with_system(conversations, config.system)
    if config.faulty == "stop":
        return kept
    kept, faults = fit(kept, renderer, config.max_tokens, config.faulty)
    for fault in faults:
        logger.warning("%s", fault.seen)
    return kept


def _fit(
    conversation: Conversation, renderer: ChatRenderer, max_tokens: int
) -> tuple[Rendered, bool]:
    row = renderer.render(conversation)
    shortened = False
    while len(row.token_ids) > max_tokens:
        shorter = _without_oldest_turn(conversation)
        if shorter is None:
            return row, shortened
        conversation, shortened = shorter, True
        row = renderer.render(conversation)
    return row, shortened


def _without_oldest_turn(conversation: Conversation) -> Conversation | None:
    """Drop the first question with all that answers it; None where no trained answer is left."""
    messages = conversation.messages
    users = [i for i, message in enumerate(messages) if message.role == "user"]
    if len(users) < 2:
        return None
    kept = (*messages[: users[0]], *messages[users[1] :])
    if not any(message.is_trained for message in kept):
        return None
    return replace(conversation, messages=kept)
