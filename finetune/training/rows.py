"""Rendered conversations as the trainer sees them: rows, packed into batches without padding."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from data.chat import ChatRenderer, Rendered
from data.conversation import Conversation, Message
from data.errors import Fault, InvalidData, MarkInText
from data.length import fit, too_long
from data.wording import _
from finetune.kernels.dropout import Layout

from .config import TrainConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows laid end to end; positions begin anew at each, and attention never crosses rows.

    ids:       [ row 0 … | row 1 …   | row 2 … ]   shape [1, tokens]
    positions: [ 0 1 2 … | 0 1 2 3 … | 0 1 …   ]   shape [1, tokens]
    """

    input_ids: Any
    position_ids: Any
    predicting: Any  # [trained] indices whose logits predict a trained token
    labels: Any  # [trained] those tokens
    weights: Any  # [trained] float32: 1, or the prompt's weight
    row_of: Any  # [trained] which row each belongs to
    layout: Layout

    def to(self, device: str) -> "Batch":
        names = [name for name in self.__slots__ if name != "layout"]
        return Batch(**{name: getattr(self, name).to(device) for name in names}, layout=self.layout)


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
    """As they stood in the data, before they were given this system prompt."""
    return [
        replace(each, messages=each.messages[1:])
        if each.messages[0] == Message("system", system or "")
        else each
        for each in conversations
    ]


def fitting(
    conversations: Iterable[Conversation], renderer: ChatRenderer, config: TrainConfig
) -> list[Conversation]:
    """With the system prompt, and without what `faulty` leaves out for its length."""
    kept = with_system(conversations, config.system)
    if config.faulty == "stop":
        return kept
    kept, faults = fit(kept, renderer, config.max_tokens, config.faulty)
    for fault in faults:
        logger.warning("%s", fault.seen)
    return kept


def pack(rows: Sequence[Rendered], max_tokens: int) -> list[list[Rendered]]:
    """Group rows, in order, so that each group has at most `max_tokens` or is a single row."""
    groups: list[list[Rendered]] = []
    room = 0
    for row in rows:
        if not groups or len(row.token_ids) > room:
            groups.append([])
            room = max_tokens
        groups[-1].append(row)
        room -= len(row.token_ids)
    return groups


def collate(
    rows: Sequence[Rendered], seeds: Sequence[int] | None = None, prompt_weight: float = 0.0
) -> Batch:
    """`seeds` decide each row's dropout. With a prompt weight, tokens that are not trained count
    too, by that much."""
    import torch

    ids: list[int] = []
    positions: list[int] = []
    predicting: list[int] = []
    weights: list[float] = []
    row_of: list[int] = []
    for number, row in enumerate(rows):
        counted = [
            i for i, is_trained in enumerate(row.trained) if i and (is_trained or prompt_weight)
        ]
        predicting += [len(ids) + i - 1 for i in counted]
        weights += [1.0 if row.trained[i] else prompt_weight for i in counted]
        row_of += [number] * len(counted)
        positions += range(len(row.token_ids))
        ids += row.token_ids
    return Batch(
        input_ids=torch.tensor([ids]),
        position_ids=torch.tensor([positions]),
        predicting=torch.tensor(predicting),
        labels=torch.tensor([ids[i + 1] for i in predicting]),
        weights=torch.tensor(weights),
        row_of=torch.tensor(row_of),
        layout=Layout(
            lengths=tuple(len(row.token_ids) for row in rows),
            seeds=tuple(seeds) if seeds is not None else (0,) * len(rows),
        ),
    )


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
