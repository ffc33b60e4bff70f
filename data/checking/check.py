"""Everything that can be said of data before anything is trained on it, in one pass."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data.conversation import Conversation, Item
from data.errors import Fault
from data.likeness import Alike, Likeness
from data.reading.faulty import WAY_OUT
from data.reading.reader import ReadOptions, conversations_of, read_items
from data.script import script_of
from data.wording import N_, _

from .lengths import Lengths
from .rules import check_conversation
from .tokens import LengthCheck, TokenCheck

MOST_KEPT = 1000  # faults of a kind; more are only counted
SCRIPTS = (None, "Chinese", "other")
CLEAR_MAJORITY = 0.9  # of the conversations, in one script
# What is said of an answer in another script, and of what is usual, by the script's number.
SEEN = {
    1: N_("an answer with Chinese characters"),
    2: N_("an answer with no Chinese characters"),
}
USUAL = {
    1: N_("Chinese characters, as in {count:,} others"),
    2: N_("no Chinese characters, as in {count:,} others"),
}


@dataclass(slots=True)
class Findings:
    num_conversations: int = 0
    num_turns: int = 0
    num_answers: int = 0  # trained
    questions: Lengths = field(default_factory=Lengths)  # [characters]
    answers: Lengths = field(default_factory=Lengths)  # [characters]
    sources: Counter[str] = field(default_factory=Counter[str])  # conversations of each
    counts: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    faults: list[Fault] = field(default_factory=list[Fault])  # the first ones of every kind
    tokens: TokenCheck | None = None
    way_out: Fault | None = None  # what could be done about faulty conversations

    def note(self, fault: Fault) -> None:
        if fault.kind == WAY_OUT:
            self.way_out = fault
            return
        key = fault.severity, fault.kind
        self.counts[key] += 1
        if self.counts[key] <= MOST_KEPT:
            self.faults.append(fault)

    def num(self, severity: str) -> int:
        return sum(count for (each, _), count in self.counts.items() if each == severity)

    @property
    def num_errors(self) -> int:
        return self.num("error")

    @property
    def num_warnings(self) -> int:
        return self.num("warning")


def read_checked(
    path: str | Path, options: ReadOptions | None = None
) -> tuple[list[Conversation], Findings]:
    """What is to be trained on, and what was found about it.

    Raises as `read_conversations` does.
    """
    items = list(read_items(path, options))
    findings = check(items)
    conversations = [item for item in items if isinstance(item, Conversation)]
    way_out = [findings.way_out] if findings.way_out else []
    return conversations_of([*conversations, *findings.faults, *way_out], path), findings


def check(
    items: Iterable[Item], tokens: TokenCheck | None = None, lengths: LengthCheck | None = None
) -> Findings:
    """All that is wrong or suspicious, of any amount of data: what is kept of a conversation takes
    some 300 bytes. With `tokens`, also what a base's tokenizer makes of it; `lengths` tells what
    is too long alone, in less time."""
    findings, places = Findings(tokens=tokens), _Places()
    taker = tokens or lengths
    likeness, scripts = Likeness(), array("b")
    for item in items:
        if isinstance(item, Fault):
            findings.note(item)
            continue
        _count(item, findings)
        likeness.add(item)
        places.add(item)
        scripts.append(SCRIPTS.index(script_of(item.messages[-1].content)))
        for fault in (*check_conversation(item), *(taker.take(item) if taker else ())):
            findings.note(fault)
    own_words = tokens.own_words.warnings() if tokens else ()
    for fault in (*_compare(likeness, places), *_compare_scripts(scripts, places), *own_words):
        findings.note(fault)
    if not findings.num_conversations and not findings.num_errors:
        where = _("all files"), 1, _("conversations")
        findings.note(Fault(*where, _("none"), _("at least one"), kind=N_("nothing")))
    return findings


class _Places:
    """Where conversations stand, by their numbers, in little memory."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._known: dict[str, int] = {}
        self._numbers = array("I")
        self._lines = array("L")

    def add(self, conversation: Conversation) -> None:
        source = conversation.source
        if source not in self._known:
            self._known[source] = len(self._names)
            self._names.append(source)
        self._numbers.append(self._known[source])
        self._lines.append(conversation.line)

    def __getitem__(self, index: int) -> tuple[str, int]:
        return self._names[self._numbers[index]], self._lines[index]

    def warn(self, index: int, seen: str, expected: str, kind: str) -> Fault:
        return Fault(*self[index], _("conversation"), seen, expected, "warning", kind)


def _count(conversation: Conversation, findings: Findings) -> None:
    findings.num_conversations += 1
    findings.sources[conversation.source] += 1
    for message in conversation.messages:
        findings.num_turns += 1
        findings.num_answers += message.is_trained
        if message.role == "user":
            findings.questions.add(len(message.content))
        elif message.role == "assistant":
            findings.answers.add(len(message.content))


def _compare(likeness: Likeness, places: _Places) -> Iterator[Fault]:
    def beside(pair: Alike) -> str:
        return "{}:{}".format(*places[pair.first])

    equal = likeness.equal()
    for pair in equal:
        seen = _("the same question and answer as {place}").format(place=beside(pair))
        yield places.warn(pair.index, seen, _("each conversation once"), N_("duplicate"))
    repeated = {pair.index for pair in equal}
    for pair in (each for each in likeness.near() if each.index not in repeated):
        seen = _("{share:.0%} of the text of {place}").format(
            share=pair.similarity, place=beside(pair)
        )
        expected = _("conversations unlike each other")
        yield places.warn(pair.index, seen, expected, N_("near duplicate"))
    for pair in likeness.contradictory():
        seen = _("the same question as {place}, and another answer").format(place=beside(pair))
        yield places.warn(pair.index, seen, _("one answer to a question"), N_("contradiction"))


def _compare_scripts(scripts: Sequence[int], places: _Places) -> Iterator[Fault]:
    """Answers in another script than nearly all others."""
    counts = Counter(script for script in scripts if SCRIPTS[script])
    if not counts:
        return
    [(usual, count)] = counts.most_common(1)
    if count == counts.total() or count < CLEAR_MAJORITY * counts.total():
        return
    for index, script in enumerate(scripts):
        if SCRIPTS[script] and script != usual:
            expected = _(USUAL[usual]).format(count=count)
            yield places.warn(index, _(SEEN[script]), expected, N_("language"))
