"""How many of a file's questions and answers show one thing, and where it was first seen."""

from collections import Counter
from dataclasses import dataclass, field

from data.conversation import Role
from data.errors import Fault

NOUNS: dict[Role, str] = {
    "assistant": "answers",
    "user": "questions",
    "system": "system prompts",
    "tool": "answers of tools",
}
Totals = Counter[Role]  # texts of each role


@dataclass(slots=True)
class Tally:
    counts: Totals = field(default_factory=Counter[Role])
    line: int = 1
    shown: str = ""

    def note(self, role: Role, line: int, shown: str) -> None:
        if not self.counts:
            self.line, self.shown = line, shown
        self.counts[role] += 1

    def share(self, totals: Totals) -> str:
        """Such as `196 of 200 answers and 3 of 200 questions`."""
        shares = [
            f"{self.counts[role]:,} of {totals[role]:,} {noun}"
            for role, noun in NOUNS.items()
            if self.counts[role]
        ]
        return " and ".join(shares)

    def warn(self, source: str, field: str, seen: str, expected: str) -> Fault:
        return Fault(source, self.line, field, seen, expected, "warning", field)
