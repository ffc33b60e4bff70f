"""What looks like a question."""

import pytest

from data.reading.asking import is_asking


@pytest.mark.parametrize(
    "text",
    [
        *("Is rust bad?", "How do I oil the chain", "can I wash it", "What's new"),
        *("头晕怎么办", "可以吃辣吗", "如何退货", "运费是多少", "这是什么？为什么"),
        *("Wie öle ich die Kette", "¿Qué es?", "Comment faire", "هل الخدمة مجانية؟"),
    ],
)
def test_questions_ask(text: str):
    assert is_asking(text)


@pytest.mark.parametrize(
    "text",
    [
        "Chains",
        "Oil it.",
        "Is it.",
        "Canned fish",
        "Howard",
        "退货流程",
        "注意",
        "Do not touch",
        "",
    ],
)
def test_titles_and_sentences_do_not(text: str):
    assert not is_asking(text)
