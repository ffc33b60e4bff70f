"""Dialogues as people type them: a role word and a colon begin a turn.

患者：我头晕怎么办？          a user line after an answer and a blank line (or ---)
医生：先量血压。              begins a new conversation; without the blank line it
                              is the next turn of the same one.
答案的第二段。                Text goes on with the turn above it.

1. 头晕怎么办？               A number begins a question if an answer follows, and with it
答：先量血压。                a new conversation.

问：头晕怎么办？ 答：先量血压。   Both turns may stand on one line.

## 第二章                     What stands between turns and is none is left out and named:
编号：000123                  see between.py.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise

from data.conversation import Conversation, Message
from data.errors import Fault
from data.reading.faulty import Draft, Read
from data.wording import N_, _

from .between import UNKNOWN, Between, sort_out
from .faq import read_faq
from .lettered import with_colons
from .role_words import ROLES, Roles, role_of
from .speakers import find_speakers
from .turns import Turn, lines_of, split_turns

COLONS = ":：∶"
QUESTION_ANSWER = ("user", "assistant")
EXAMPLE = N_("""
    Q: How often do I oil the chain?
    A: Every 200 km.
  or
    问：多久上一次油？
    答：每两百公里。""")


def read_dialogue(lines: list[str], source: str, roles: Roles) -> Iterator[Read]:
    """The conversations of a text, or every fault; `roles` come before ours."""
    known: Roles = {**ROLES, **roles}
    turns, stray = split_turns(lines, known)
    if not turns and (lettered := with_colons(lines)):
        turns, stray = split_turns(lettered, known)
    if len({turn.role for turn in turns} - {"system"}) < 2:
        found = find_speakers(lines, source, partial(role_of, roles=known))
        if found:
            yield found.warning
            known = {**known, **found.roles}
            turns, stray = split_turns(lines, known)
    if len({turn.role for turn in turns} - {"system"}) < 2 and (faq := read_faq(lines, source)):
        yield from faq
        return
    if not turns:
        line, seen = stray[0] if stray else (1, _("no text"))
        expected = _("lines that begin with a role word and a colon, such as{example}")
        told = expected.format(example=_(EXAMPLE))
        yield Fault(source, line, _("text"), repr(seen[:80]), told)
        return
    between = sort_out(stray, turns, known)
    yield from between.faults(source)
    for group in _group(turns):
        yield _build(group, source, between)


def _build(group: Sequence[Turn], source: str, between: Between) -> Read:
    conversation = Conversation(tuple(map(_message_of, group)), source, group[0].line)
    strangers = [turn.line for turn in group if turn.line in between.strangers]
    if strangers:
        faults = between.of_strangers(strangers, source)
        return Draft(conversation, faults, UNKNOWN, can_be_mended=False)
    faults = tuple(_find_faults(group, source))
    return Draft(conversation, faults, faults[0].kind) if faults else conversation


def build_conversations(groups: Iterable[Sequence[Turn]], source: str) -> Iterator[Read]:
    """Build conversations of turns that are known."""
    return (_build(group, source, Between()) for group in groups)


def split_cell(text: str) -> list[Message]:
    """The turns that a table's cell holds, or one question. A role word with nothing behind it at
    the end is where the answer belongs."""
    if not any(colon in text for colon in COLONS):
        return [Message("user", text)]
    turns, stray = split_turns(lines_of(text), ROLES)
    if turns and turns[-1].role == "assistant" and not turns[-1].text:
        turns.pop()
    roles = [turn.role for turn in turns]
    if stray or not roles or roles[0] == "assistant" or roles[-1] != "user":
        return [Message("user", text)]
    return [_message_of(turn) for turn in turns]


def find_pairs(text: str) -> list[tuple[str, str]]:
    """Questions with their answers, wherever they are in a text; the rest of it is left."""
    turns, _stray = split_turns(lines_of(text), ROLES)
    return [
        (turn.text, after.text)
        for turn, after in pairwise(turns)
        if (turn.role, after.role) == ("user", "assistant") and turn.text and after.text
    ]


def _find_faults(turns: Sequence[Turn], source: str) -> Iterator[Fault]:
    neighbours = zip([None, *turns[:-1]], turns, [*turns[1:], None], strict=True)
    for before, turn, after in neighbours:
        fault = partial(_fault, source, turn)
        if not turn.text:
            yield fault(_("an empty turn"), _("text after the colon"), N_("empty turn"))
        if turn.role == "assistant" and (before is None or before.role != "user"):
            seen = _("an answer with no question: above it is {turn}").format(turn=_name(before))
            yield fault(seen, _("a user line above it"), _kind(turn, before, N_("no question")))
        if turn.role == "user" and (after is None or after.role != "assistant"):
            seen = _("a question with no answer: below it is {turn}").format(turn=_name(after))
            expected = _("an assistant line below it")
            yield fault(seen, expected, _kind(turn, after, N_("no answer")))
        if turn.role == "system" and (after is None or after.role != "user"):
            seen = _("a system line with no question: below it is {turn}").format(turn=_name(after))
            yield fault(seen, _("a user line below it"), N_("no question"))


def _fault(source: str, turn: Turn, seen: str, expected: str, kind: str) -> Fault:
    return Fault(source, turn.line, turn.role, seen, expected, kind=kind, is_of_one=True)


def _kind(turn: Turn, neighbour: Turn | None, otherwise: str) -> str:
    return N_("turns in a row") if neighbour and neighbour.role == turn.role else otherwise


def _name(neighbour: Turn | None) -> str:
    if neighbour is None:
        return _("nothing")
    return _("the {role} line {line}").format(role=neighbour.role, line=neighbour.line)


def _group(turns: Sequence[Turn]) -> list[list[Turn]]:
    groups: list[list[Turn]] = []
    gaps_divide = _gaps_divide(turns)
    for turn in turns:
        last = groups[-1][-1] if groups else None
        if last is None or _begins(turn, last, gaps_divide=gaps_divide):
            groups.append([])
        groups[-1].append(turn)
    return groups


def _begins(turn: Turn, last: Turn, *, gaps_divide: bool) -> bool:
    """Whether a conversation begins with the turn."""
    if turn.role == "system" or turn.is_numbered:
        return True
    if last.role == "system" or not last.ends_with_gap:
        return False
    return gaps_divide or (last.role, turn.role) != QUESTION_ANSWER


def _gaps_divide(turns: Sequence[Turn]) -> bool:
    """Whether a gap between a question and an answer ends a conversation: where answers follow at
    once otherwise, and other conversations begin with an answer or end with a question."""
    pairs = list(pairwise(turns))
    asked = [one for one, other in pairs if (one.role, other.role) == QUESTION_ANSWER]
    apart = {(one.role, other.role) for one, other in pairs if one.ends_with_gap}
    begins_or_ends_so = not apart.isdisjoint({("assistant", "assistant"), ("user", "user")})
    return begins_or_ends_so and sum(one.ends_with_gap for one in asked) < len(asked) / 4


def _message_of(turn: Turn) -> Message:
    return Message(turn.role, turn.text)
