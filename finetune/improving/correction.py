"""A reviewed correction: what is trained on, or what measures."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

from data.conversation import Conversation
from data.split import unlike

Side = Literal["trained", "held_out"]

ENOUGH = 10  # corrections that are held out: so many measure, from then on fewer are needed
AT_FIRST, LATER = 2, 5  # of so many corrections one is held out


@dataclass(frozen=True, slots=True)
class Correction:
    id: str
    right: Conversation  # ends with the right answer, which alone is trained
    given: str | None = None  # the answer that was wrong; None: the right one was given
    side: Side | None = None  # None: in no training set yet
    is_critical: bool = False  # the given answer must never be given again

    @property
    def measures(self) -> bool:
        """Whether there is an answer to be better than."""
        return self.given is not None

    @property
    def right_answer(self) -> str:
        return self.right.messages[-1].content


def assign(corrections: Sequence[Correction], held_out: Sequence[Conversation]) -> dict[str, Side]:
    """The side of each, by id, in the order in which they were accepted; who has one keeps it.

    Every second is held out until there are ten, then every fifth. What asks the same as something
    on a side goes there too; `held_out` is what the adapter holds out already. An answer that was
    good as it was measures nothing: it is trained, and so is what is critical.
    """
    sides: dict[str, Side] = {each.id: each.side for each in corrections if each.side}
    known = [each for each in corrections if each.side and each.measures]
    own = [each.right for each in known if each.side == "held_out"]
    trained = [each.right for each in known if each.side == "trained"]
    since = _since_held_out(known)
    for each in corrections:
        if each.id in sides:
            continue
        sides[each.id] = side = "trained"
        if not each.measures or _is_like(each, trained):
            continue
        if each.is_critical and not _is_like(each, [*held_out, *own]):
            trained.append(each.right)  # it has to be learned, and is asked whatever its side
            continue
        rhythm = AT_FIRST if len(own) < ENOUGH else LATER
        if since + 1 >= rhythm or _is_like(each, [*held_out, *own]):
            sides[each.id] = side = "held_out"
        since = 0 if side == "held_out" else since + 1
        (own if side == "held_out" else trained).append(each.right)
    return sides


def _is_like(correction: Correction, others: Sequence[Conversation]) -> bool:
    return not unlike([correction.right], others, ["user"])


def _since_held_out(known: Sequence[Correction]) -> int:
    """How many went to training since the last one was held out."""
    since = takewhile(lambda each: each.side == "trained", reversed(known))
    return len([*since])


def reviewed_for(more: int, num_held_out: int) -> int:
    """How many more corrections have to be accepted for so many `more` to be held out."""
    at_first = min(more, max(0, ENOUGH - num_held_out))
    return AT_FIRST * at_first + LATER * (more - at_first)
