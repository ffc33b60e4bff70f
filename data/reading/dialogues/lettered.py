"""Questions and answers behind letters with a full stop: Q1. and A1., 问、 and 答、."""

import re
from collections.abc import Sequence

LETTER = re.compile(
    r"(?P<before>\s*)(?P<letter>[QA]|[问問答])(?P<number>\s?\d{0,4})\s*[.．、)）]\s*(?P<text>.*)",
    re.DOTALL,
)


def with_colons(lines: Sequence[str]) -> list[str] | None:
    """The lines with a colon behind each such letter. None unless questions and answers take turns
    from the first line on: options of an exam begin with letters, too."""
    found: list[str] = []
    asked: list[bool] = []
    for line in lines:
        match = LETTER.fullmatch(line)
        if match:
            asked.append(match["letter"] not in "A答")
            found.append(f"{match['before']}{match['letter']}{match['number']}: {match['text']}")
        elif line.strip() and not asked:
            return None
        else:
            found.append(line)
    takes_turns = bool(asked) and asked == [at % 2 == 0 for at in range(len(asked))]
    return found if takes_turns and not asked[-1] else None
