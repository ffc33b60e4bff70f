"""Answers of both sides beside the reference, and how close they come to it."""

from collections.abc import Sequence
from dataclasses import dataclass

from data.conversation import Conversation

from .answers import Answer, last_answer
from .pair import Pair, PairedRows
from .text_scores import TextScores, score

SLACK = 1.25  # times the longest reference, where no limit is given
MOST_TOKENS, MOST_TOKENS_ON_CPU = 256, 128  # then at most


@dataclass(frozen=True, slots=True)
class Sample:
    question: str
    reference: str
    baseline: Answer
    adapter: Answer


@dataclass(frozen=True, slots=True)
class Samples:
    max_tokens: int  # of each answer
    longest_reference: int  # [tokens]
    shown: Sequence[Sample]
    baseline: TextScores
    adapter: TextScores

    @property
    def is_cut(self) -> bool:
        """Whether the limit left too little room for stop rate and length to mean anything."""
        return self.longest_reference >= self.max_tokens


def ask(
    pair: Pair, conversations: Sequence[Conversation], rows: PairedRows, max_tokens: int | None
) -> Samples:
    """Ask both sides each conversation's last question, greedily."""
    end_ids = pair.adapter.renderer.end_ids
    references = [last_answer(row, end_ids) for row in rows.adapter]
    longest = max(map(len, references))
    most = MOST_TOKENS_ON_CPU if pair.device == "cpu" else MOST_TOKENS
    limit = max_tokens or min(most, round(SLACK * longest) + 1)
    shown = [
        Sample(*_asked(conversation), *answers)
        for conversation, answers in zip(conversations, pair.answer(rows, limit), strict=True)
    ]
    texts = [sample.reference for sample in shown]
    return Samples(
        max_tokens=limit,
        longest_reference=longest,
        shown=shown,
        baseline=score([sample.baseline for sample in shown], texts),
        adapter=score([sample.adapter for sample in shown], texts),
    )


def _asked(conversation: Conversation) -> tuple[str, str]:
    """The last question with a trained answer, and that answer."""
    messages = conversation.messages
    last = max(i for i, message in enumerate(messages) if message.is_trained)
    question = next((m.content for m in reversed(messages[:last]) if m.role == "user"), "")
    return question, messages[last].content
