"""Which conversations are alike: equal, nearly equal, or the same question answered otherwise.

Of each conversation a few hundred bytes are kept, whatever its length: digests of its question and
answer, and a MinHash signature (rensa's) of the text's groups of three characters, which estimates
how much of their text two conversations share (the Jaccard index of those groups).
"""

import re
import string
import unicodedata
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from importlib import import_module
from typing import Any

from .conversation import Conversation

NUM_PERMUTATIONS = 64
BAND = 4  # [values] that are equal in two signatures make a pair worth comparing
ALIKE = 0.8  # of the groups of characters in either that are in both
SHORTEST = 40  # [characters] that are compared: of fewer, one makes too much of a difference
GROUP = 3  # [characters]
NEIGHBOURS = 8  # that share a band, and are compared with each
PAIRS_AT_ONCE = 1 << 16
BATCH_CHARACTERS = 1 << 20
BATCH = 512  # conversations whose signatures are made together
SEED = 20240229

BLOCKS = ((0, 0x100), (0x2000, 0x2070), (0x3000, 0x3040), (0xFE10, 0xFE70), (0xFF00, 0xFFF0))
PUNCTUATION = "".join(
    chr(code)
    for begin, end in BLOCKS
    for code in range(begin, end)
    if unicodedata.category(chr(code)).startswith("P")
)
ASCII_IDLE = {ord(each): None for each in f"{PUNCTUATION}{string.whitespace}" if each.isascii()}
IDLE = re.compile(rf"[\s{re.escape(PUNCTUATION)}]+")


@dataclass(frozen=True, slots=True)
class Alike:
    """Two conversations by their numbers, the earlier one as `first`."""

    index: int
    first: int
    similarity: float  # of the text; 1 for equal ones


def normalized(text: str) -> str:
    """A text without case, width, punctuation and space; itself if nothing else is in it."""
    if text.isascii():  # in a quarter of the time
        return text.lower().translate(ASCII_IDLE) or text
    return IDLE.sub("", unicodedata.normalize("NFKC", text).casefold()) or text


def asked(conversation: Conversation) -> str:
    """All that is asked in it, normalized."""
    return "\n".join(
        normalized(message.content) for message in conversation.messages if message.role == "user"
    )


class Likeness:
    """Takes conversations one by one, and knows afterwards which are alike."""

    def __init__(self) -> None:
        self._questions = array("Q")  # digests of all but the last answer
        self._answers = array("Q")  # digests of the last answer
        self._signatures: list[Any] = []  # [batch, permutations] of uint32
        self._pending: list[str] = []
        self._num_pending = 0  # [characters]

    def __len__(self) -> int:
        return len(self._questions)

    def add(self, conversation: Conversation) -> None:
        texts = [normalized(each.content) for each in conversation.messages]
        self._questions.append(_digest("\n".join(texts[:-1])))
        self._answers.append(_digest(texts[-1]))
        is_first_system = conversation.messages[0].role == "system"  # the same in all of a file
        self._pending.append("\n".join(texts[is_first_system:]))
        self._num_pending += len(self._pending[-1])
        if len(self._pending) == BATCH or self._num_pending > BATCH_CHARACTERS:
            self._sign()

    def equal(self) -> list[Alike]:
        """Every conversation that repeats an earlier one, question and answer."""
        seen: dict[tuple[int, int], int] = {}
        firsts = [seen.setdefault(key, index) for index, key in enumerate(self._keys())]
        return [Alike(index, first, 1.0) for index, first in enumerate(firsts) if first != index]

    def contradictory(self) -> list[Alike]:
        """Every conversation whose question is an earlier one's, with an answer unlike it."""
        seen: dict[int, int] = {}
        found: list[Alike] = []
        for index, (question, answer) in enumerate(self._keys()):
            first = seen.setdefault(question, index)
            if answer != self._answers[first]:
                found.append(Alike(index, first, self._similarity(index, first)))
        return [pair for pair in found if pair.similarity < ALIKE]

    def near(self) -> list[Alike]:
        """Every conversation that is nearly, but not quite, an earlier one; with the first such."""
        import numpy as np

        firsts = np.full(len(self), len(self))
        for later, earlier in self.near_pairs(ALIKE):
            np.minimum.at(firsts, later, earlier)
        found = np.flatnonzero(firsts < len(self))
        similarities = self._similarities(found, firsts[found])
        return list(map(Alike, found.tolist(), firsts[found].tolist(), similarities.tolist()))

    def near_pairs(self, at_least: float) -> Iterator[tuple[Any, Any]]:
        """Numbers of later and earlier conversations, as arrays; a pair may come several times.

        Of texts that share nine tenths a pair in a million is missed, of those that share `ALIKE`
        one in five thousand; of very many alike, each comes with a few of them.
        """
        import numpy as np

        questions, answers = (
            np.frombuffer(each, np.uint64) for each in (self._questions, self._answers)
        )
        for later, earlier in self._candidates():
            is_equal = (questions[later] == questions[earlier]) & (
                answers[later] == answers[earlier]
            )
            is_near = ~is_equal & (self._similarities(later, earlier) >= at_least)
            yield later[is_near], earlier[is_near]

    def _keys(self) -> Iterator[tuple[int, int]]:
        return zip(self._questions, self._answers, strict=True)

    def _candidates(self) -> Iterator[tuple[Any, Any]]:
        """Pairs that share a band of their signatures: each with its next ones, and the first."""
        import numpy as np

        signatures = self._joined()
        long_enough = np.flatnonzero(signatures.any(axis=1))
        for begin in range(0, NUM_PERMUTATIONS, BAND):
            keys = np.zeros(len(long_enough), np.uint64)
            for column in range(begin, begin + BAND):
                keys = _mixed(keys + signatures[long_enough, column])
            places = np.argsort(keys, kind="stable")
            keys, order = keys[places], long_enough[places]
            for distance in range(1, NEIGHBOURS + 1):
                shared = keys[distance:] == keys[:-distance]
                if not shared.any():
                    break
                yield order[distance:][shared], order[:-distance][shared]
            firsts = np.searchsorted(keys, keys)
            is_far = np.arange(len(keys)) - firsts > NEIGHBOURS
            yield order[is_far], order[firsts[is_far]]

    def _similarity(self, one: int, other: int) -> float:
        """0 where a text is too short to say."""
        import numpy as np

        return float(self._similarities(np.array([one]), np.array([other]))[0])

    def _similarities(self, some: Any, others: Any) -> Any:
        """Estimated, of each pair."""
        import numpy as np

        signatures = self._joined()
        parts = [np.zeros(0)]
        for begin in range(0, len(some), PAIRS_AT_ONCE):
            one, other = (
                signatures[each[begin : begin + PAIRS_AT_ONCE]] for each in (some, others)
            )
            parts.append((one == other).mean(axis=1) * one.any(axis=1) * other.any(axis=1))
        return np.concatenate(parts)

    def _joined(self) -> Any:
        """All signatures, [conversations, permutations]; zeros for what is too short."""
        import numpy as np

        if self._pending:
            self._sign()
        if len(self._signatures) != 1:
            empty = np.zeros((0, NUM_PERMUTATIONS), np.uint32)
            self._signatures = [np.vstack([empty, *self._signatures])]
        return self._signatures[0]

    def _sign(self) -> None:
        import numpy as np

        rensa: Any = import_module("rensa")  # without types
        texts, self._pending, self._num_pending = self._pending, [], 0
        lengths = np.array([len(text) for text in texts])
        codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), "<u4")
        groups = np.zeros(len(codes) - GROUP + 1, np.uint64)
        for offset in range(GROUP):
            groups = _mixed(groups + codes[offset : offset + len(groups)])
        # A group begins at every character of a text but its last two.
        counts = np.where(lengths < SHORTEST, 0, lengths - GROUP + 1)
        begins = np.cumsum(lengths) - lengths
        kept = np.concatenate(
            [np.arange(begin, begin + count) for begin, count in zip(begins, counts, strict=True)]
        )
        rows = np.r_[0, np.cumsum(counts)].astype(np.uint64)
        digests = rensa.RMinHash.digest_matrix_from_flat_token_hashes(
            groups[kept], rows, NUM_PERMUTATIONS, SEED
        )
        signatures = np.array(digests.to_rows(), np.uint32)
        signatures[counts == 0] = 0
        self._signatures.append(signatures)


def _digest(text: str) -> int:
    raw = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "little")


def _mixed(values: Any) -> Any:
    """64 bits of which each depends on all before (splitmix64's last steps)."""
    import numpy as np

    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
