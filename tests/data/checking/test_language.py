"""Which language data is in."""

import pytest

from data.checking.language import Language, language_of
from data.conversation import Conversation, Message

CHINESE = ("头晕怎么办？", "先量血压，注意休息。")
ENGLISH = ("My chain is noisy.", "Clean it, then oil it.")


def of(*pairs: tuple[str, str]) -> list[Conversation]:
    return [Conversation((Message("user", q), Message("assistant", a))) for q, a in pairs]


@pytest.mark.parametrize(
    ("pairs", "language"),
    [
        ([CHINESE] * 3, "Chinese"),
        ([ENGLISH] * 3, "other"),
        ([CHINESE, ENGLISH], "mixed"),
        ([(CHINESE[0], ENGLISH[1])] * 3, "mixed"),
        ([CHINESE] * 19 + [ENGLISH], "Chinese"),
        ([ENGLISH] * 19 + [CHINESE], "other"),
        ([("头晕 (BP 150/95)？", "先量血压，再吃 aspirin。")], "Chinese"),
    ],
)
def test_turns_tell_the_language(pairs: list[tuple[str, str]], language: Language):
    assert language_of(of(*pairs)) == language


def test_numbers_alone_tell_none():
    assert language_of(of(("1 + 1 = ?", "2"))) is None
    assert language_of([]) is None
