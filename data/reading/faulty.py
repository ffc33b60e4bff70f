"""What becomes of conversations that are not as they should be: stop, skip them, or mend them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from data.conversation import Conversation, Item
from data.errors import Fault

from .listing import first_of
from .order import mend

Faulty = Literal["stop", "skip", "mend"]
HOW: tuple[Faulty, ...] = get_args(Faulty)
WAY_OUT = "faulty"  # the kind of what is said at the end of faulty data
NUM_SHOWN = 3
LONGEST_SHOWN = 40  # [characters]


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

    def fault(self, what: str, expected: str, kind: str) -> Fault:
        source, line, _ = self.first[0]
        shown = (
            f"{'line ' if each == source else f'{each}:'}{at} {text!r}"
            for each, at, text in self.first
        )
        seen = f"{_count(self.count)} {what}: {first_of(shown, self.count, NUM_SHOWN)}"
        return Fault(source, line, "--faulty", seen, expected, "warning", kind)


@dataclass(slots=True)
class Tally:
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
            yield group.fault(f"mended ({what})", "nothing to mend", "mended")
        for kind, group in self.left_out.items():
            yield group.fault(f"left out ({kind})", "whole conversations", "left out")


def settle(items: Iterable[Read], how: Faulty) -> Iterator[Item]:
    """Stop: each fault as it is, and at the end what the other ways would do. Otherwise what is
    mended or left out is counted, and named at the end, by what was wrong."""
    tally, last = Tally(), ("", 0)
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


def _settle_draft(draft: Draft, how: Faulty, tally: Tally) -> Iterator[Item]:
    if how == "stop":
        yield from draft.faults
    found, is_tried = draft.conversation, draft.can_be_mended and how != "skip"
    mended = mend(found.messages) if is_tried else None
    if mended is None:
        first = found.messages[0].content if found.messages else "no turns"
        tally.leave_out(draft.kind, found.source, found.line, first)
        return
    tally.note(found, mended.done)
    if how == "mend":
        yield replace(found, messages=mended.messages)


def _proposal(tally: Tally) -> Fault:
    total = tally.num_mended + tally.num_left_out
    seen = (
        f"{_count(total)} with faults: --faulty mend would keep {tally.num_mended:,} of them and "
        f"leave {tally.num_left_out:,} out, --faulty skip would leave all of them out"
    )
    first = next(iter((*tally.mended.values(), *tally.left_out.values())))
    source, line, _ = first.first[0]
    return Fault(source, line, "--faulty", seen, "one of these, or mended data", "warning", WAY_OUT)


def _count(number: int) -> str:
    return "1 conversation" if number == 1 else f"{number:,} conversations"
