"""One thing that the numbers say of an adapter, in words, and what to try next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from data.wording import N_, _

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
TITLES: dict[Kind, str] = {
    "not usable yet": N_("Not usable yet."),
    "better": N_("Better."),
    "no better": N_("No better."),
    "worse": N_("Worse."),
    "unclear": N_("Unclear."),
    "falters": N_("Falters."),
    "overfitted": N_("Overfitted."),
    "forgets": N_("Forgets."),
    "memorises": N_("Memorises."),
}
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
        return _(TITLES[self.kind])

    @property
    def tone(self) -> Tone:
        return TONES.get(self.kind, "careful")

    def __str__(self) -> str:
        return f"{self.title} {self.text}"


def sentence(findings: Sequence[Finding]) -> str:
    """All of them, for a card."""
    return " ".join(map(str, findings))
