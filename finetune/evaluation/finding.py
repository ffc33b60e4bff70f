"""One thing that the numbers say of an adapter, in words, and what to try next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "not usable yet",
    "better",
    "no better",
    "worse",
    "unclear",
    "falters",
    "overfitted",
    "forgets",
    "memorises",
]
Tone = Literal["good", "careful", "bad"]
TONES: dict[Kind, Tone] = {
    "better": "good",
    "not usable yet": "bad",
    "worse": "bad",
    "memorises": "bad",
}


@dataclass(frozen=True, slots=True)
class Finding:
    kind: Kind
    text: str  # what was found, with the numbers that it rests on
    advice: str = ""  # what to try next

    @property
    def title(self) -> str:
        return self.kind.capitalize()

    @property
    def tone(self) -> Tone:
        return TONES.get(self.kind, "careful")

    def __str__(self) -> str:
        return f"{self.title}. {self.text}"


def sentence(findings: Sequence[Finding]) -> str:
    """All of them, for a card."""
    return " ".join(map(str, findings))
