"""Role words and other labels that nearly all questions or answers of a file begin with."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator

from data.conversation import Conversation, Role
from data.errors import Fault
from data.reading.dialogues.role_words import ROLES, find_role
from data.wording import N_, _

from .tally import RemarkTally, Totals

HEAD = re.compile(r"([^\W\d_]\w{0,11})\s*[:：](?!//)\s*\S")
WITHIN = 20  # [characters]
FEWEST = 3
MOST_LABELS = 1000  # that are counted: with more, none is usual
KIND = N_("role words")
BEGUN = N_("{share} begin with {shown!r}, which was kept")
EXPECTED: dict[Role, str] = {
    "assistant": N_("answers without it, unless it belongs to them"),
    "user": N_("questions without it, unless it belongs to them"),
}


class Heads:
    """Counts what stands before a colon at the head of texts."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[Role, str], RemarkTally] = defaultdict(RemarkTally)

    def take(self, conversation: Conversation) -> None:
        for message in conversation.messages:
            begin = message.content[:WITHIN]
            match = HEAD.match(message.content) if ":" in begin or "：" in begin else None
            if match and len(self._tallies) < MOST_LABELS:
                tally = self._tallies[message.role, match[1].lower()]
                tally.note(message.role, conversation.line, match[0][:-1].strip())

    def faults(self, source: str, totals: Totals, said: Collection[str]) -> Iterator[Fault]:
        """`said` are labels of which enough is said elsewhere. A question may well begin with a
        word that is none of a role: 翻译：…"""
        for (role, label), tally in self._tallies.items():
            is_usual = tally.counts[role] >= FEWEST and 2 * tally.counts[role] > totals[role]
            if not is_usual or label in said:
                continue
            if role == "assistant" or (role == "user" and find_role(label, ROLES)):
                seen = _(BEGUN).format(share=tally.share(totals), shown=tally.shown)
                yield tally.warn(source, KIND, seen, _(EXPECTED[role]))
