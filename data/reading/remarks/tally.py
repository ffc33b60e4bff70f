"""How many of a file's questions and answers show one thing, and where it was first seen."""

from collections import Counter
from dataclasses import dataclass, field

from data.conversation import Role
from data.errors import Fault
from data.wording import N_, _

SHARES: dict[Role, str] = {
    "assistant": N_("{count:,} of {total:,} answers"),
    "user": N_("{count:,} of {total:,} questions"),
    "system": N_("{count:,} of {total:,} system prompts"),
    "tool": N_("{count:,} of {total:,} answers of tools"),
}
Totals = Counter[Role]  # texts of each role


@dataclass(slots=True)
class RemarkTally:
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
            _(share).format(count=self.counts[role], total=totals[role])
            for role, share in SHARES.items()
            if self.counts[role]
        ]
        return _(" and ").join(shares)

    def warn(self, source: str, kind: str, seen: str, expected: str) -> Fault:
        return Fault(source, self.line, _(kind), seen, expected, "warning", kind)
