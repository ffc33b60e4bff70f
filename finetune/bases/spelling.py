"""Whether a base's tokenizer spells Chinese out in bytes: then it hardly knows the language.

Measured on the shipped Chinese samples, tokenizers that know it spend 0.7 to 1.0 tokens on a
character (those of Qwen2.5 and of Llama 3), those that do not 1.5 to 2.0 (of LLaMA 2, of SmolLM2).
"""

from collections.abc import Iterable
from typing import Any

from data.checking.spelling import ChineseSpelling
from data.conversation import Conversation
from data.wording import _

from .base import Base
from .catalogue import read_catalogue
from .shape import Shape

MUCH = 1.3  # [tokens] for a character


def spelling_by(tokenizer: Any) -> ChineseSpelling:
    """Counts with a base's tokenizer."""

    def encode(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False)

    return ChineseSpelling(encode)


def warn_of_spelling(conversations: Iterable[Conversation], base: Base) -> str | None:
    """What to say before Chinese is trained on a base that spells it out; None if all is well."""
    spelling = spelling_by(base.tokenizer)
    for conversation in conversations:
        spelling.add(conversation)
    return spelling_warning(spelling, base)


def spelling_warning(spelling: ChineseSpelling, base: Base) -> str | None:
    tokens = spelling.per_character
    if tokens is None or tokens < MUCH:
        return None
    catalogue = read_catalogue()
    shape = Shape.of_config(base.config)
    better = catalogue.chinese_like(shape or catalogue.bases[0].shape)
    usual = catalogue.spelling_of(better)
    return _(
        "{base} spends {tokens:.1f} tokens on a character of Chinese, so it has hardly learned "
        "any: expect slow training and poor answers. {better} spends {usual:.1f} (--base {spec}); "
        "`lora-chat bases recommend` says what fits this machine."
    ).format(base=base.id, tokens=tokens, better=better.name, usual=usual, spec=better.spec)
