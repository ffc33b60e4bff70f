"""Messages to turns and conversations: who goes on is joined, long pauses and gaps divide."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from data.conversation import Role
from data.reading.dialogues.role_words import Part
from data.reading.dialogues.turns import Turn

from .speakers import Said

FEW = 0.5  # of the messages with an empty line above: then such lines divide, as in dialogues


@dataclass(slots=True)
class Joined:
    conversations: list[list[Turn]] = field(default_factory=list[list[Turn]])
    pauses: list[int] = field(default_factory=list[int])  # lines that begin one behind a pause


def join(said: Sequence[Said], parts: Mapping[str, Part]) -> Joined:
    """An answer behind a pause is still one to the question before it."""
    joined = Joined()
    num_gaps = sum(each.follows_gap for each in said[1:])
    gaps_divide = num_gaps <= FEW * (len(said) - 1)
    begins = follows_pause = follows_gap = False
    for each in said:
        begins |= each.begins
        follows_pause |= each.follows_pause
        follows_gap |= each.follows_gap and gaps_divide
        role = parts[each.name]
        if role in ("skip", "text"):
            continue
        last = joined.conversations[-1][-1].role if joined.conversations else None
        is_cut = follows_pause and (last, role) != ("user", "assistant")
        divides = is_cut or (follows_gap and (last, role) == ("assistant", "user"))
        if last is None or begins or divides or (role == "system" != last):
            joined.conversations.append([])
            if last and is_cut:
                joined.pauses.append(each.line)
        _add(joined.conversations[-1], role, each)
        begins = follows_pause = follows_gap = False
    return joined


def _add(conversation: list[Turn], role: Role, said: Said) -> None:
    lines = said.text.split("\n")
    if conversation and conversation[-1].role == role:
        conversation[-1].lines += lines
    else:
        conversation.append(Turn(role, said.line, lines))
