"""Tokens with which several rows begin, such as a system prompt."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile

from data.chat import Rendered

from .dropout import row_seed

SHORTEST = 8  # [tokens] Fewer save less than another part costs
OWN = 1  # what a beginning's seed differs by from its first row's


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a row has in common with others."""

    length: int = 0  # [tokens]; the row is longer
    group: int = -1  # the same for rows that have it in common
    seed: int = 0  # of its dropout


def common_beginnings(rows: Sequence[Rendered], seeds: Sequence[int]) -> list[Beginning]:
    """Each row's, of which a group is to compute one.

    Greedy: rows in the order of their tokens join the group before as long as it then saves no
    fewer tokens.
    """
    order = sorted(range(len(rows)), key=lambda row: rows[row].token_ids)
    found = [Beginning()] * len(rows)
    for members, length in _groups([rows[row].token_ids for row in order]):
        own = [order[member] for member in members]
        if len(own) > 1:
            first = min(own)
            beginning = Beginning(length, first, row_seed(seeds[first], OWN))
            for row in own:
                found[row] = beginning
    return found


def _groups(texts: Sequence[Sequence[int]]) -> Iterable[tuple[list[int], int]]:
    """Neighbours that are to share, and how many tokens."""
    if not texts:
        return
    members, length = [0], 0
    for number, (one, other) in enumerate(pairwise(texts), start=1):
        alike = _num_alike(one, other)
        shared = min(alike, length) if len(members) > 1 else alike
        if shared >= SHORTEST and len(members) * shared >= (len(members) - 1) * length:
            members, length = [*members, number], shared
        else:
            yield members, length
            members, length = [number], 0
    yield members, length


def _num_alike(one: Sequence[int], other: Sequence[int]) -> int:
    """The tokens that both begin with; each keeps at least one for itself."""
    most = min(len(one), len(other)) - 1
    pairs = zip(one[:most], other[:most], strict=True)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
