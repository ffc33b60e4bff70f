"""How many tokens a tokenizer spends on Chinese."""

import pytest

from data.checking.spelling import FEWEST, SAMPLE, ChineseSpelling
from data.conversation import Conversation, Message


def in_bytes(text: str) -> bytes:
    return text.encode()


def turn(text: str) -> Conversation:
    return Conversation((Message("user", text),))


def spelling_of(*texts: str) -> ChineseSpelling:
    spelling = ChineseSpelling(in_bytes)
    for text in texts:
        spelling.add(turn(text))
    return spelling


def test_a_tokenizer_of_bytes_spends_three_tokens_on_a_character():
    assert spelling_of("心脾两虚" * 30).per_character == pytest.approx(3.0)


def test_other_languages_do_not_count():
    chinese, mixed = "心脾两虚" * 30, ["Check the chain."] * 5
    assert spelling_of(chinese, *mixed).per_character == pytest.approx(3.0)


def test_nothing_is_said_of_little_or_rare_chinese():
    assert spelling_of("虚" * (FEWEST - 1)).per_character is None
    assert spelling_of(*["Check the chain."] * 50, "虚" * FEWEST).per_character is None
    assert spelling_of("Check the chain." * 50).per_character is None


def test_a_sample_is_enough():
    spelling = spelling_of(*["虚" * 1000] * 100)
    assert spelling.num_characters == SAMPLE
    assert spelling.num_chinese == 100
