"""Known texts on which a model shows whether it can draft questions and answers at all."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .likeness import normalized
from .reading.asking import is_asking
from .reading.dialogues.dialogue import find_pairs
from .script import IDEOGRAPH

TEXTS = {
    "Chinese": (
        "青石镇图书馆周一闭馆，周二到周日早上九点开门，晚上六点关门。每人一次最多借五本书，"
        "借期三十天，逾期每本每天收一角钱。",
        "云岭茶园的春茶在清明前开采，只采一芽一叶。鲜叶要在当天摊晾四小时，再用二百度的铁锅"
        "杀青，否则茶汤会发涩。",
        "河湾小学的校车每天早上七点十分从北门出发，经过菜市场和邮局，七点四十分到校。一年级"
        "学生必须由家长送上车。",
        "这种净水器的滤芯每六个月更换一次。换之前先关掉进水阀，再按下泄压按钮，等水流停止后"
        "逆时针拧下外壳。",
        "南山医院的体检中心在三号楼二层。体检前一天晚上十点以后不要吃东西，可以喝少量白开水，"
        "当天请带上身份证。",
    ),
    "other": (
        "The library in Millbrook is closed on Mondays. From Tuesday to Sunday it opens at nine "
        "and closes at six. Everyone may borrow five books for thirty days.",
        "Change the filter of the water purifier every six months. First close the inlet valve, "
        "then press the button, and unscrew the housing when the water stops.",
        "The school bus leaves the north gate at ten past seven, stops at the market and at the "
        "post office, and reaches the school at twenty to eight.",
        "Spring tea on Cloud Ridge is picked before April, one bud with one leaf. The leaves rest "
        "for four hours and are then roasted in an iron pan.",
        "The check-up centre of South Hill Hospital is on the second floor of building three. Eat "
        "nothing after ten in the evening before; a little water is allowed.",
    ),
}
NEEDED = 3  # of the texts
GROUNDED = 0.5  # of an answer's pieces, that are in the text
WORDS = re.compile(r"[^\W\d_]{4,}|\d+")
SHOWN = 60  # [characters]


@dataclass(frozen=True, slots=True)
class Trial:
    num_texts: int
    num_usable: int  # of which a usable question with its answer was drafted
    example: str  # the beginning of an answer that was of no use; empty where all were

    @property
    def is_passed(self) -> bool:
        return self.num_usable >= NEEDED


def hold_trial(generate: Callable[[str], str], prompt: Callable[[str], str], script: str) -> Trial:
    """Ask for drafts of the texts in a script, all at once. Raises whatever `generate` raises."""
    texts = TEXTS[script]
    with ThreadPoolExecutor(len(texts)) as pool:
        answers = [*pool.map(lambda text: generate(prompt(text)), texts)]
    useless = [
        answer
        for text, answer in zip(texts, answers, strict=True)
        if not any(is_usable(*pair, text) for pair in find_pairs(answer))
    ]
    example = " ".join(useless[0].split())[:SHOWN] if useless else ""
    return Trial(len(texts), len(texts) - len(useless), example)


def is_usable(question: str, answer: str, text: str) -> bool:
    """Whether it asks, and answers mostly in the text's words, not in the question's."""
    said, known = _pieces(answer), _pieces(text)
    return (
        is_asking(question)
        and normalized(answer) not in normalized(question)
        and bool(_pieces(question) & known)
        and len(said & known) > GROUNDED * len(said)
    )


def _pieces(text: str) -> set[str]:
    """Pairs of characters in Chinese, else words and numbers."""
    text = normalized(text) if IDEOGRAPH.search(text) else text
    if IDEOGRAPH.search(text):
        return {text[at : at + 2] for at in range(len(text) - 1)}
    return {*WORDS.findall(text.casefold())}
