"""Scores of written answers, against numbers done by hand and slow references."""

from functools import cache

import pytest

from data.script import is_chinese
from finetune.evaluation.answers import Answer
from finetune.evaluation.text_scores import rouge_l, score

REFERENCES = ["这多属心脾两虚。宜早睡。", "宜少食多餐，忌生冷。"]


def answers(*texts: str) -> list[Answer]:
    return [Answer(text, len(text), text.endswith("。")) for text in texts]


def slow_lcs(one: str, other: str) -> int:
    @cache
    def longest(i: int, j: int) -> int:
        if i == len(one) or j == len(other):
            return 0
        if one[i] == other[j]:
            return 1 + longest(i + 1, j + 1)
        return max(longest(i + 1, j), longest(i, j + 1))

    return longest(0, 0)


def test_equal_answers_score_full_marks():
    found = score(answers(*REFERENCES), REFERENCES)
    assert (found.chrf, found.bleu, found.rouge_l) == pytest.approx((100, 100, 100))
    assert (found.stop_rate, found.length_ratio) == (1, 1)


def test_chinese_answers_score_by_their_characters():
    found = score(answers("这多属心脾两虚。宜早点睡。", "宜少食多餐"), REFERENCES)
    assert 30 < found.bleu < 100
    assert 30 < found.chrf < 100
    assert 60 < found.rouge_l < 100
    assert found.stop_rate == 0.5
    assert found.length_ratio == pytest.approx(18 / 22)


def test_bleu_is_that_of_counted_groups():
    # 10 of 10, 9 of 9, 8 of 8 and 7 of 7 groups are there, of 11 characters: brevity e^(1-11/10).
    found = score(answers("ab cd ef gh ij kl mn op qr st"), ["ab cd ef gh ij kl mn op qr st uv"])
    assert found.bleu == pytest.approx(100 * 2.718281828 ** (1 - 11 / 10), rel=1e-6)


@pytest.mark.parametrize(
    ("one", "other"),
    [("多属心脾两虚", "这多属心肾不交之虚"), ("宜早睡", "忌浓茶"), ("abcab", "bca")],
)
def test_rouge_l_is_that_of_a_slow_subsequence(one: str, other: str):
    expected = 2 * slow_lcs(one, other) / (len(one) + len(other))
    assert rouge_l(one, other, in_chinese=True) == pytest.approx(expected)


def test_rouge_l_takes_words_of_english():
    # "check", "chain": 2 of 4 and of 3 words, whatever their case.
    found = rouge_l("Check the old chain.", "Please check chain", in_chinese=False)
    assert found == pytest.approx(2 * 2 / (4 + 3))
    assert rouge_l("", "", in_chinese=False) == 0


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (REFERENCES, True),
        (["服用维生素 C 200mg，每日两次。"], True),
        (["Check the chain.", "Oil it."], False),
        (["The word 茶 means tea in Chinese."], False),
        ([], False),
    ],
)
def test_chinese_is_told_by_its_characters(texts: list[str], expected: bool):
    assert is_chinese("".join(texts)) is expected
