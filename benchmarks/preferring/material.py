"""What is corrected, and what measures: the workshop sample's answers in another manner.

The old manner is the sample's ("Right then. … Ride safe."); corrections say the same in a new one.
The adapter that is corrected was trained on the old answers to what is corrected, and on nothing
that measures.
"""

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.provenance import ROOT
from data.conversation import Conversation, Message
from data.convert import as_row
from data.reading.reader import read_conversations

SAMPLE = ROOT / "data" / "samples" / "bike_workshop.txt"
MORE = ROOT / "benchmarks" / "going_on" / "corrections.txt"  # asked of the same workshop
OLD_BEGIN, OLD_END = "Right then.", "Ride safe."
BEGIN, END = "Good question!", "Call us any time on our workshop line."


@dataclass(frozen=True, slots=True)
class Sizes:
    measuring: int = 30  # corrected answers
    choosing: int = 6  # corrected ones that choose the weights of the examples
    old: int = 8  # in the old manner, that choose them too


@dataclass(frozen=True, slots=True)
class Material:
    """Conversations end with an answer, which alone is trained: the old one."""

    measuring: Sequence[Conversation]
    choosing: Sequence[Conversation]
    old: Sequence[Conversation]
    pool: Sequence[Conversation]  # of which some are corrected, the others trained as they are

    @classmethod
    def read(cls, sizes: Sizes) -> "Material":
        conversations = read_conversations(SAMPLE)
        random.Random("preference").shuffle(conversations)
        exchanges = [[*_exchanges(each)] for each in conversations]
        parts = [_take(exchanges, size) for size in (sizes.measuring, sizes.choosing, sizes.old)]
        rest = [each for group in exchanges for each in group]
        more = [each for one in read_conversations(MORE) for each in _exchanges(one)]
        return cls(parts[0], parts[1], parts[2], [*rest, *more])

    def corrected(self, count: int, seed: int) -> tuple[list[Conversation], list[Conversation]]:
        """So many of the pool to correct, drawn by the seed, and the others."""
        order = [*self.pool]
        random.Random(f"{seed}:corrected").shuffle(order)
        return order[:count], order[count:]


def correct(conversation: Conversation) -> Conversation:
    """The answer in the new manner."""
    said = conversation.messages[-1].content.removeprefix(OLD_BEGIN).removesuffix(OLD_END)
    return with_answer(conversation, f"{BEGIN} {said.strip()} {END}")


def with_answer(conversation: Conversation, text: str) -> Conversation:
    *before, answer = conversation.messages
    return replace(conversation, messages=(*before, replace(answer, content=text)))


def is_in_manner(answer: str) -> bool:
    return answer.startswith(BEGIN) and answer.endswith(END)


def preference(correction: Conversation, given: str) -> dict[str, Any]:
    """A correction before the answer that was given, in OpenAI's form."""
    return as_row(replace(correction, rejected=(Message("assistant", given),)))


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _exchanges(conversation: Conversation) -> Iterable[Conversation]:
    """Each answer with all that was said before, of which nothing is trained."""
    said = conversation.messages
    for place, message in enumerate(said):
        if message.role == "assistant":
            before = (replace(each, trained=each.role != "assistant") for each in said[:place])
            yield replace(conversation, messages=(*before, message))


def _take(exchanges: list[list[Conversation]], size: int) -> list[Conversation]:
    """Take whole conversations off the front until there are enough answers."""
    taken: list[Conversation] = []
    while len(taken) < size:
        taken += exchanges.pop(0)
    return taken[:size]
