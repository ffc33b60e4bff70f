"""Whether texts are Chinese: what they are compared by, and the language that is spoken of them."""

import re
from collections.abc import Sequence

from .conversation import Conversation
from .wording import prefer

IDEOGRAPH = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
BEGINNING = 80  # [characters] that say which script it is
MANY_LETTERS = 10  # [letters] from which on a text has a language
LOOKED_AT = 50  # conversations


def script_of(text: str) -> str | None:
    """Chinese or other, by most of the letters at the beginning; None where there are few."""
    text = text[:BEGINNING]
    if sum(map(str.isalpha, text)) < MANY_LETTERS:
        return None
    return "Chinese" if is_chinese(text) else "other"


def is_chinese(text: str) -> bool:
    """Whether a text is Chinese, by its letters: one ideograph in five is enough, for a word is
    many letters elsewhere."""
    return 5 * len(IDEOGRAPH.findall(text)) > sum(map(str.isalpha, text))


def speak_like(conversations: Sequence[Conversation]) -> None:
    """Speak in the language of most answers, where nobody has asked for another."""
    some = conversations[:: max(1, len(conversations) // LOOKED_AT)]
    scripts = [script_of(each.messages[-1].content) for each in some]
    if 2 * scripts.count("Chinese") > len(scripts):
        prefer("zh")
