"""Kept English sentences, told in the language of whoever reads them."""

import re

import pytest

from data.retelling import retell
from data.wording import catalogue, speaking


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Fine-tuning job started", "微调任务已开始"),
        ("Created fine-tuning job: ftjob-12ab", "已创建微调任务：ftjob-12ab"),
        (
            "On what was held out before its loss is 5.8% higher (chance 0.0%).",
            "在以前留出的对话上，它的损失高了 5.8%（偶然的概率 0.0%）。",
        ),
        ("Nobody has ever said this here.", "Nobody has ever said this here."),
        ("Read with Dr. Chen and found good.", "Read with Dr. Chen and found good."),
        (
            "Validating training file: good and validation file: loss",
            "正在检查训练文件：good，以及验证文件：loss",
        ),
        ("Fine-tuning job started\n  Fine-tuning job paused", "微调任务已开始\n  微调任务已暂停"),
        ("", ""),
    ],
)
def test_a_kept_sentence_is_retold(said: str, expected: str):
    with speaking("zh"):
        assert retell(said) == expected
    with speaking("en"):
        assert retell(said) == said


def filled(sentence: str) -> str:
    return re.sub(r"\{(\w+).*?\}", r"<\1>", sentence)


def test_every_sentence_with_places_is_found_again_with_what_fills_it():
    num_found = 0
    for english, own in catalogue("zh").items():
        num_words = len(re.findall(r"\w", re.sub(r"\{.*?\}", "", english)))
        if "{" in english and "\n" not in english and num_words >= 8:
            with speaking("zh"):
                assert retell(filled(english)) == filled(own)
            num_found += 1
    assert num_found > 400


def test_a_long_text_takes_no_time():
    """Matching is linear; by regular expressions this would take years."""
    said = " (x) and (x): " * 20_000
    with speaking("zh"):
        assert retell(said) == said
