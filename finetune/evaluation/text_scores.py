"""How close written answers come to the references, for Chinese and for other languages alike.

A tokenizer made for English finds no word in Chinese text, and a score of 0: Chinese is compared
by characters.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from data.script import is_chinese

from .answers import Answer

WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class TextScores:
    """The text scores of one side, over all its answers."""

    chrf: float  # 0 to 100: shared groups of characters
    bleu: float  # 0 to 100: shared groups of up to four words, or characters of Chinese
    rouge_l: float  # 0 to 100: longest sequence in common, of words, or characters of Chinese
    stop_rate: float  # share of the answers that came to their end before the limit
    length_ratio: float  # characters written, by those of the references


def score(answers: Sequence[Answer], references: Sequence[str]) -> TextScores:
    """chrF and BLEU are sacrebleu's, over the corpus; ROUGE-L is the mean F1."""
    from sacrebleu.metrics.bleu import BLEU

    texts = [answer.text for answer in answers]
    in_chinese = is_chinese("".join(references))
    bleu = BLEU(tokenize="zh" if in_chinese else "13a", effective_order=True)
    return TextScores(
        chrf=chrf(texts, references),
        bleu=bleu.corpus_score(texts, [references]).score,
        rouge_l=_mean(
            [
                100 * rouge_l(text, reference, in_chinese=in_chinese)
                for text, reference in zip(texts, references, strict=True)
            ]
        ),
        stop_rate=_mean([float(answer.is_ended) for answer in answers]),
        length_ratio=sum(map(len, texts)) / max(1, sum(map(len, references))),
    )


def chrf(texts: Sequence[str], references: Sequence[str]) -> float:
    """sacrebleu's, over the corpus: 0 to 100."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF().corpus_score(texts, [references]).score


def rouge_l(text: str, reference: str, *, in_chinese: bool) -> float:
    """F1 of the longest common subsequence (Lin 2004, with beta = 1), from 0 to 1."""
    from rapidfuzz.distance import LCSseq

    written, expected = (_units(each, in_chinese=in_chinese) for each in (text, reference))
    common = LCSseq.similarity(written, expected)
    return 2 * common / max(1, len(written) + len(expected))


def _units(text: str, *, in_chinese: bool) -> list[str]:
    if in_chinese:
        return [character for character in text.lower() if character.isalnum()]
    return WORD.findall(text.lower())


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
