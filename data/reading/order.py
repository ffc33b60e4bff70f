"""Which turn may follow which, and what can be mended where one does not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from data.conversation import Message, Role
from data.wording import N_, _

# What may stand before a turn.
NOTHING = N_("nothing")
PREDECESSORS: dict[Role, tuple[str, ...]] = {
    "system": (NOTHING,),
    "user": (NOTHING, "system", "assistant"),
    "assistant": ("user", "tool"),
    "tool": (N_("assistant with tool_calls"), "tool"),
}
UNANSWERED = N_("a last question without an answer, dropped")
GREETING = N_("an answer before the first question, dropped")
EMPTY = N_("an empty answer, dropped with its question")
JOINED = N_("turns of one speaker in a row, joined")


@dataclass(frozen=True, slots=True)
class Mended:
    """Messages in order, and what was done for it, with the text that it was first done to."""

    messages: tuple[Message, ...]
    done: tuple[tuple[str, str], ...]


def wrong_turns(messages: Sequence[Message]) -> Iterator[tuple[str, str, str]]:
    """Where, what stands before it, and what may."""
    before = NOTHING
    for number, message in enumerate(messages, start=1):
        accepted = PREDECESSORS[message.role]
        if before not in accepted:
            seen = _("{role} after {before}").format(role=message.role, before=_(before))
            yield _("turn {number}").format(number=number), seen, _(" or ").join(map(_, accepted))
        before = f"{message.role} with tool_calls" if message.tool_calls else message.role
    if not before.startswith("assistant"):
        yield _("last turn"), _(before), _("an assistant turn")


def mend(messages: Sequence[Message]) -> Mended | None:
    """None where nothing would be left, or what is wrong is something else."""
    done: dict[str, str] = {}
    kept = _joined(_without_empty(messages, done), done)
    begin = 1 if kept and kept[0].role == "system" else 0
    while begin < len(kept) and kept[begin].role == "assistant":
        done.setdefault(GREETING, kept.pop(begin).content)
    while kept and kept[-1].role == "user":
        done.setdefault(UNANSWERED, kept.pop().content)
    if not kept or any(wrong_turns(kept)) or not any(each.is_trained for each in kept):
        return None
    if not all(each.content or each.tool_calls or each.role == "tool" for each in kept):
        return None
    return Mended(tuple(kept), tuple(done.items()))


def _without_empty(messages: Sequence[Message], done: dict[str, str]) -> list[Message]:
    """A question alone would be one more of the next."""
    kept: list[Message] = []
    for message in messages:
        if message.role == "assistant" and not message.content and not message.tool_calls:
            while kept and kept[-1].role == "user":
                done.setdefault(EMPTY, kept.pop().content)
        elif message.content or message.role != "user":
            kept.append(message)
    return kept


def _joined(messages: Sequence[Message], done: dict[str, str]) -> list[Message]:
    kept: list[Message] = []
    for message in messages:
        if kept and _are_one_speakers(kept[-1], message):
            done.setdefault(JOINED, message.content)
            kept[-1] = replace(kept[-1], content=f"{kept[-1].content}\n{message.content}")
        else:
            kept.append(message)
    return kept


def _are_one_speakers(one: Message, other: Message) -> bool:
    plain = not (one.tool_calls or other.tool_calls) and one.role in ("user", "assistant")
    return plain and (one.role, one.trained, one.name) == (other.role, other.trained, other.name)
