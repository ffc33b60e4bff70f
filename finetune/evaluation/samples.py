"""Answers of both sides beside the reference, and how close they come to it."""

from collections.abc import Sequence
from dataclasses import dataclass

from data.conversation import Conversation

from .answers import Answer, last_answer
from .sides import Pair, PairedRows, Side
from .text_scores import TextScores, chrf, score

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
    unrelated_chrf: float  # of references beside those to other questions: what chance gives

    @property
    def is_cut(self) -> bool:
        """Whether the limit left too little room for stop rate and length to mean anything."""
        return self.longest_reference >= self.max_tokens


def answer_limit(side: Side, rows: PairedRows, max_tokens: int | None, device: str) -> int:
    """[tokens] of each answer: what is asked for, or room for the longest reference."""
    most = MOST_TOKENS_ON_CPU if device == "cpu" else MOST_TOKENS
    return max_tokens or min(most, round(SLACK * _longest_reference(side, rows)) + 1)


def _longest_reference(side: Side, rows: PairedRows) -> int:
    end_ids = side.renderer.end_ids
    return max((len(last_answer(row, end_ids)) for row in rows.adapter), default=0)


def ask(
    pair: Pair, conversations: Sequence[Conversation], rows: PairedRows, max_tokens: int
) -> Samples:
    """Ask both sides each conversation's last question, greedily."""
    shown = [
        Sample(*_asked(conversation), *answers)
        for conversation, answers in zip(conversations, pair.answer(rows, max_tokens), strict=True)
    ]
    texts = [sample.reference for sample in shown]
    return Samples(
        max_tokens=max_tokens,
        longest_reference=_longest_reference(pair.adapter, rows),
        shown=shown,
        baseline=score([sample.baseline for sample in shown], texts),
        adapter=score([sample.adapter for sample in shown], texts),
        unrelated_chrf=chrf([*texts[1:], *texts[:1]], texts),
    )


def _asked(conversation: Conversation) -> tuple[str, str]:
    """The last question with a trained answer, and that answer."""
    messages = conversation.messages
    last = max(i for i, message in enumerate(messages) if message.is_trained)
    question = next((m.content for m in reversed(messages[:last]) if m.role == "user"), "")
    return question, messages[last].content
