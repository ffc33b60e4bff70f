"""Who asks and who answers in a file whose speakers have names of their own."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from data.conversation import Role
from data.errors import Fault
from data.wording import N_, _

NAME = re.compile(r"\s*(?:<\s*)?(?P<name>\w{1,20})(?:\s*>)?\s*[:：]\s*\S")
FEWEST = 2  # lines of each speaker
SHARE = 0.8  # of the lines with a name that must be the two speakers', and of those that alternate


@dataclass(frozen=True, slots=True)
class DialogueSpeakers:
    roles: dict[str, Role]  # by name, in lower case
    warning: Fault


def find_speakers(
    lines: Sequence[str], source: str, role_of: Callable[[str], Role | None]
) -> DialogueSpeakers | None:
    """Two names that speak by turns, of which the first asks, unless `role_of` knows better of one;
    None where there are no such two."""
    numbered = [
        (number, match["name"].lower())
        for number, line in enumerate(lines, start=1)
        if (match := NAME.match(line))
    ]
    names = [name for _, name in numbered]
    two = Counter(names).most_common(2)
    if len(two) < 2 or two[1][1] < FEWEST:
        return None
    spoken = [name for name in names if name in dict(two)]
    changes = sum(one != other for one, other in pairwise(spoken))
    if len(spoken) < SHARE * len(names) or changes < SHARE * (len(spoken) - 1):
        return None
    asks = spoken[0]
    answers = next(name for name, _ in two if name != asks)
    if role_of(asks) == "assistant" or role_of(answers) == "user":
        asks, answers = answers, asks
    counts = dict(two)
    seen = _(
        "no role words, but {asks} ({num_asked} lines) and {answers} ({num_answered} lines) by "
        "turns: {asks} was taken for the user, {answers} for the assistant"
    ).format(asks=asks, answers=answers, num_asked=counts[asks], num_answered=counts[answers])
    expected = _(
        "role words, or --roles '{asks}=user,{answers}=assistant' in the right order"
    ).format(asks=asks, answers=answers)
    line = next(number for number, name in numbered if name == asks)
    fault = Fault(source, line, _("speakers"), seen, expected, "warning", N_("speakers"))
    return DialogueSpeakers({asks: "user", answers: "assistant"}, fault)
