"""Conversations as the trainer sees them: read as the options say, fitted, and rendered."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from data.chat import ChatRenderer, Rendered
from data.checking.check import read_checked
from data.conversation import Conversation, Message
from data.errors import Fault, InvalidData, MarkInText
from data.length import fit, too_long
from data.personal import redact_conversation
from data.reading.beginning import speak_like_files
from data.reading.faulty import Faulty
from data.reading.reader import ReadOptions, read_conversations
from data.reading.shapes import LEFT_OUT
from data.wording import _

from .config import TrainConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads what a run is to be trained on."""

    options: ReadOptions
    is_redacting: bool = False

    @classmethod
    def of(cls, config: TrainConfig) -> Self:
        return cls(config.reading, config.redact)

    def read(self, path: Path) -> list[Conversation]:
        """The conversations of a file. Raises DataError."""
        return self._redacted(read_conversations(path, self.options))

    def read_checked(self, path: Path) -> list[Conversation]:
        """The same, with a warning of what is suspicious. Raises DataError with all faults."""
        speak_like_files(path)
        conversations, findings = read_checked(path, self.options)
        warnings = [
            f"{_(kind)} {count}"
            for (severity, kind), count in findings.counts.items()
            if severity == "warning" and kind != LEFT_OUT  # whether they are, is decided later
        ]
        if warnings:
            told = _(
                "Worth a look before you train on it: {kinds}. `lora-chat data check {path}` says "
                "where"
            )
            logger.warning("%s", told.format(kinds=_(", ").join(warnings), path=path))
        return self._redacted(conversations)

    def _redacted(self, conversations: list[Conversation]) -> list[Conversation]:
        if not self.is_redacting:
            return conversations
        return [redact_conversation(each) for each in conversations]


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a run reads, before it is divided."""

    source: Path
    conversations: Sequence[Conversation]
    old: Sequence[Conversation] = ()  # some of which are trained on again
    validation_source: Path | None = None  # what is held out, if not some of the conversations
    validation: Sequence[Conversation] = ()

    @classmethod
    def read(cls, source: Path, config: TrainConfig) -> Self:
        """Read all files, with warnings. Raises DataError with all faults of a file."""
        reader = Reader.of(config)
        new, old, validation = (
            reader.read_checked(each) if each else []
            for each in (source, config.replay, config.validation)
        )
        return cls(source, new, old, config.validation, validation)


@dataclass(frozen=True, slots=True)
class RowMaker:
    """Makes rows of conversations: as a server will ask, and no longer than they may be."""

    renderer: ChatRenderer
    system: str | None
    max_tokens: int
    faulty: Faulty

    @classmethod
    def of(cls, config: TrainConfig, renderer: ChatRenderer) -> Self:
        return cls(renderer, config.system, config.max_tokens, config.faulty)

    def asked(self, conversations: Iterable[Conversation]) -> list[Conversation]:
        """The conversations with the system prompt."""
        return with_system(conversations, self.system)

    def fitting(self, conversations: Iterable[Conversation]) -> list[Conversation]:
        """The same without what `faulty` leaves out for its length."""
        kept = self.asked(conversations)
        if self.faulty == "stop":
            return kept
        kept, faults = fit(kept, self.renderer, self.max_tokens, self.faulty)
        for fault in faults:
            logger.warning("%s", fault.seen)
        return kept

    def fitting_as_read(self, conversations: Iterable[Conversation]) -> list[Conversation]:
        """The same as they stand in the data."""
        return without_system(self.fitting(conversations), self.system)

    def rows(self, conversations: Iterable[Conversation]) -> tuple[list[Rendered], int]:
        """See `build_rows`."""
        return build_rows(conversations, self.renderer, self.max_tokens)


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
