"""Prompts for a load: plain words, the same for the same seed, no two with the same beginning."""

from random import Random

WORDS = """
    apple autumn bridge bottle candle carpet coffee corner doctor dinner engine family farmer
    flower forest garden guitar harbor hammer island journey kitchen ladder letter lemon market
    mirror morning mountain music number ocean office orange paper pencil picture pocket rabbit
    river school silver summer table teacher ticket train village water weather window winter
    早上 春天 医生 老师 朋友 孩子 学校 花园 火车 电话 音乐 故事 苹果 窗户 天气 月亮
"""
OPENING = 3  # [words] that no other prompt of the seed begins with


class Prompts:
    """A seed's prompts. Lengths are estimates: the server alone knows its tokenizer."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._words = WORDS.split()
        Random(seed).shuffle(self._words)

    def question(self, index: int, num_tokens: int) -> str:
        """A prompt of about that many tokens, which shares no beginning with another index."""
        return self._fill(self._opening(index), num_tokens, Random(f"{self._seed} {index}"))

    def shared(self, num_tokens: int) -> str:
        """A text for all requests alike to begin with."""
        return self._fill([], num_tokens, Random(f"{self._seed} shared"))

    def _opening(self, index: int) -> list[str]:
        """The index's digits, with words for figures and the fastest one first."""
        words: list[str] = []
        for _ in range(OPENING):
            index, digit = divmod(index, len(self._words))
            words.append(self._words[digit])
        return words

    def _fill(self, words: list[str], num_tokens: int, random: Random) -> str:
        length = sum(map(_num_tokens, words))
        while length < num_tokens:
            words.append(random.choice(self._words))
            length += _num_tokens(words[-1])
        return " ".join(words)


def _num_tokens(word: str) -> int:
    """About as many as tokenizers make, of which some know Chinese words and some only bytes."""
    return 1 if word.isascii() else 2 * len(word) + 1
