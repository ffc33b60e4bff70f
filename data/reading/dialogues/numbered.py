"""Numbers before lines: which begin questions, and which only count an answer's or an option's."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

NUMBER = r"(?:\d{1,6}|[一二三四五六七八九十]{1,3})\s*[.．、)）]"
NUMBERED = re.compile(rf"\s*(?P<number>{NUMBER})\s*(?P<text>\S.*)", re.DOTALL)
NUMERALS = "〇一二三四五六七八九"


@dataclass(frozen=True, slots=True)
class Number:
    """`1.` or `二、` at the beginning of a line."""

    value: int
    mark: str

    def follows(self, other: "Number") -> bool:
        return self.mark == other.mark and self.value == other.value + 1


def read_number(text: str) -> Number:
    digits = text[:-1].strip()
    return Number(int(digits) if digits.isdecimal() else _value(digits), text[-1])


def find_question(numbers: Sequence[Number], last: Number | None) -> int:
    """Which of the numbers above an answer begins its question; `last` began the one before.

    The nearest does, unless it ends a list of options, 1) to n), below a number that can begin a
    question.
    """
    begin = len(numbers) - 1
    while begin and numbers[begin].follows(numbers[begin - 1]):
        begin -= 1
    has_options = 0 < begin < len(numbers) - 1 and numbers[begin].value == 1
    if has_options and (last is None or _goes_on(last, numbers[begin - 1])):
        return begin - 1
    return len(numbers) - 1


def _goes_on(last: Number, number: Number) -> bool:
    return number.mark == last.mark or number.value == last.value + 1


def _value(numerals: str) -> int:
    """二十一 is 21, 十 is 10."""
    tens, ten, ones = numerals.rpartition("十")
    return 10 * (NUMERALS.find(tens) or 1) * len(ten) + NUMERALS.find(ones)
