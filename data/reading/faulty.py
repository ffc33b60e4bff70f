"""What becomes of conversations that are not as they should be: stop, skip them, or mend them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from data.conversation import Conversation, Item
from data.errors import Fault
from data.wording import N_, _

from .listing import first_of
from .order import mend

Faulty = Literal["stop", "skip", "mend"]
HOW: tuple[Faulty, ...] = get_args(Faulty)
WAY_OUT = "faulty"  # the kind of what is said at the end of faulty data
NUM_SHOWN = 3
LONGEST_SHOWN = 40  # [characters]
JUDGED_BAD = N_("an answer that is judged bad")  # a kind of faults: to learn from, if not to learn


@dataclass(frozen=True, slots=True)
class Draft:
    """A conversation whose turns could be read, and what is wrong with them."""

    conversation: Conversation
    faults: tuple[Fault, ...]
    kind: str  # of the first thing that is wrong
    can_be_mended: bool = True


Read = Item | Draft


@dataclass(slots=True)
class _Group:
    """Conversations that the same was done to: how many, and the first ones."""

    count: int = 0
    first: list[tuple[str, int, str]] = field(default_factory=list[tuple[str, int, str]])

    def add(self, source: str, line: int, text: str) -> None:
        self.count += 1
        if len(self.first) < NUM_SHOWN:
            self.first.append((source, line, text[:LONGEST_SHOWN]))

    def mended(self, what: str) -> Fault:
        one = N_("1 conversation mended ({what}): {shown}")
        several = N_("{count:,} conversations mended ({what}): {shown}")
        seen = self._told(one, several, what)
        return self._fault(seen, _("nothing to mend"), N_("mended"))

    def left_out(self, what: str) -> Fault:
        one = N_("1 conversation left out ({what}): {shown}")
        several = N_("{count:,} conversations left out ({what}): {shown}")
        seen = self._told(one, several, what)
        return self._fault(seen, _("whole conversations"), N_("left out"))

    def _told(self, one: str, several: str, what: str) -> str:
        shown = first_of(self._shown(), self.count, NUM_SHOWN)
        sentence = _(one if self.count == 1 else several)
        return sentence.format(count=self.count, what=_(what), shown=shown)

    def _shown(self) -> Iterator[str]:
        """The first ones; of another file than the first with its name."""
        for source, line, text in self.first:
            if source == self.first[0][0]:
                yield _("line {number} {text!r}").format(number=line, text=text)
            else:
                yield f"{source}:{line} {text!r}"

    def _fault(self, seen: str, expected: str, kind: str) -> Fault:
        source, line, _first = self.first[0]
        return Fault(source, line, "--faulty", seen, expected, "warning", kind)


@dataclass(slots=True)
class FaultyTally:
    """What was done, by what it was; or, where nothing was, what could be."""

    num_mended: int = 0
    left_out: dict[str, _Group] = field(default_factory=dict[str, _Group])
    mended: dict[str, _Group] = field(default_factory=dict[str, _Group])

    def leave_out(self, kind: str, source: str, line: int, text: str) -> None:
        self.left_out.setdefault(kind, _Group()).add(source, line, text)

    def note(self, conversation: Conversation, done: Iterable[tuple[str, str]]) -> None:
        self.num_mended += 1
        for what, text in done:
            group = self.mended.setdefault(what, _Group())
            group.add(conversation.source, conversation.line, text)

    @property
    def num_left_out(self) -> int:
        return sum(group.count for group in self.left_out.values())

    def faults(self) -> Iterator[Fault]:
        for what, group in self.mended.items():
            yield group.mended(what)
        for kind, group in self.left_out.items():
            yield group.left_out(kind)


def settle(items: Iterable[Read], how: Faulty) -> Iterator[Item]:
    """Stop: each fault as it is, and at the end what the other ways would do. Otherwise what is
    mended or left out is counted, and named at the end, by what was wrong."""
    tally, last = FaultyTally(), ("", 0)
    for item in items:
        if isinstance(item, Draft):
            yield from _settle_draft(item, how, tally)
        elif isinstance(item, Fault) and item.is_of_one:
            if how == "stop":
                yield item
            if (item.source, item.line) != last:  # one row may have several
                tally.leave_out(item.kind, item.source, item.line, f"{item.field}: {item.seen}")
            last = item.source, item.line
        else:
            yield item
    if how != "stop":
        yield from tally.faults()
    elif tally.num_mended or tally.num_left_out:
        yield _proposal(tally)


def _settle_draft(draft: Draft, how: Faulty, tally: FaultyTally) -> Iterator[Item]:
    if how == "stop":
        yield from draft.faults
    found, is_tried = draft.conversation, draft.can_be_mended and how != "skip"
    mended = mend(found.messages) if is_tried else None
    if mended is None:
        first = found.messages[0].content if found.messages else _("no turns")
        tally.leave_out(draft.kind, found.source, found.line, first)
        return
    tally.note(found, mended.done)
    if how == "mend":
        yield replace(found, messages=mended.messages)


def _proposal(tally: FaultyTally) -> Fault:
    total = tally.num_mended + tally.num_left_out
    seen = _(
        "{conversations} with faults: --faulty mend would keep {kept:,} of them and leave "
        "{left_out:,} out, --faulty skip would leave all of them out"
    ).format(conversations=_count(total), kept=tally.num_mended, left_out=tally.num_left_out)
    first = next(iter((*tally.mended.values(), *tally.left_out.values())))
    source, line, _text = first.first[0]
    expected = _("one of these, or mended data")
    return Fault(source, line, "--faulty", seen, expected, "warning", WAY_OUT)


def _count(number: int) -> str:
    if number == 1:
        return _("1 conversation")
    return _("{count:,} conversations").format(count=number)
