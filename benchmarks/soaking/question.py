"""A question with its right answers, and what an answer is worth."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    RIGHT = "right answers"
    LEFT = "left in the middle, right so far"
    GONE = "refused while the adapter was out of service"
    WRONG = "wrong answers"
    REFUSED = "unexpected 4xx"
    FAILED = "5xx"
    BROKEN = "broken streams"


@dataclass(frozen=True, slots=True)
class Question:
    """Greedy, and with the same text whatever else the server computes."""

    model: str
    prompt: str
    num_tokens: int  # of the answer
    answers: frozenset[str]  # several where the name means one adapter or another by turns
    comes_and_goes: bool = False  # the adapter; it may be refused as unknown

    def judge(self, text: str) -> Outcome:
        return Outcome.RIGHT if text in self.answers else Outcome.WRONG

    def judge_beginning(self, text: str) -> Outcome:
        is_right = any(answer.startswith(text) for answer in self.answers)
        return Outcome.LEFT if is_right else Outcome.WRONG

    def judge_refusal(self, status: int, code: str | None) -> Outcome:
        if status >= 500:
            return Outcome.FAILED
        is_gone = code in ("model_not_found", "adapter_refused")
        return Outcome.GONE if self.comes_and_goes and is_gone else Outcome.REFUSED
