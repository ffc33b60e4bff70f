"""A hold-out that training has not seen: what asks or answers the same stays on one side."""

import hashlib
from collections.abc import Sequence

from .conversation import Conversation, Role
from .likeness import Likeness, normalized

ROLES: tuple[Role, ...] = ("user", "assistant")
Said = dict[Role, str]  # all that was said in each of ROLES
NEARLY = 0.7  # of their text in common: estimates must not divide what shares four fifths


def split_conversations(
    conversations: list[Conversation],
    seed: int,
    *,
    fraction: float = 0.1,
    at_least: int = 10,
    at_most: int = 200,
) -> tuple[list[Conversation], list[Conversation]]:
    """Training and held-out conversations, each in the order given.

    Conversations with equal questions, equal answers or nearly the same text form a group, and
    groups are never divided. Up to a third is held out; the smallest group goes even if it alone
    is more, unless it is the only one. The same seed and set of conversations give the same split.
    """
    said = [*map(_all_said, conversations)]
    groups = _group_duplicates(conversations, said)
    groups.sort(key=lambda group: _digest(seed, [said[index] for index in group]))
    wanted = min(max(round(fraction * len(conversations)), at_least), at_most)
    room = min(wanted, len(conversations) // 3)
    held_out: set[int] = set()
    for group in groups:
        if len(held_out) + len(group) <= room:
            held_out.update(group)
    if not held_out and len(groups) > 1:
        held_out.update(min(groups, key=len))
    return (
        [each for index, each in enumerate(conversations) if index not in held_out],
        [each for index, each in enumerate(conversations) if index in held_out],
    )


def unlike(
    conversations: Sequence[Conversation],
    others: Sequence[Conversation],
    roles: Sequence[Role] = ROLES,
) -> list[Conversation]:
    """Those that are in no group with one of the others: that could be held out beside them. What
    is equal makes a group in `roles` alone."""
    both = [*others, *conversations]
    said: list[Said] = [{role: _said(each, role) for role in roles} for each in both]
    groups = _group_duplicates(both, said)
    joined = {index for group in groups if min(group) < len(others) for index in group}
    return [each for index, each in enumerate(both) if index not in joined]


def _group_duplicates(conversations: list[Conversation], said: list[Said]) -> list[list[int]]:
    """Indices of conversations joined by a chain of equal questions, equal answers or texts that
    are nearly the same."""
    parents = list(range(len(conversations)))

    def find(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    first_seen: dict[tuple[Role, str], int] = {}
    likeness = Likeness()
    for index, conversation in enumerate(conversations):
        likeness.add(conversation)
        for each in said[index].items():
            if each[1]:  # tool calls have no text, and are not equal for that
                parents[find(index)] = find(first_seen.setdefault(each, index))
    for pairs in likeness.near_pairs(NEARLY):
        for later, earlier in zip(*(each.tolist() for each in pairs), strict=True):
            parents[find(later)] = find(earlier)
    groups: dict[int, list[int]] = {}
    for index in range(len(conversations)):
        groups.setdefault(find(index), []).append(index)
    return list(groups.values())


def _digest(seed: int, group: list[Said]) -> bytes:
    """An order of groups that depends on the seed and their text, not on their place."""
    texts = sorted("\0".join(each.values()) for each in group)
    return hashlib.sha256("\0\0".join([str(seed), *texts]).encode()).digest()


def _all_said(conversation: Conversation) -> Said:
    return {role: _said(conversation, role) for role in ROLES}


def _said(conversation: Conversation, role: Role) -> str:
    """What was said in a role, without case, width, punctuation and space."""
    return "\n".join(
        normalized(message.content) for message in conversation.messages if message.role == role
    )
