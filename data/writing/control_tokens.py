"""What only a chat template may write: control tokens, told apart from texts that read like them.

A rendering is made twice, the second time with everything hidden in people's texts that could
become a control token or a part of one. The control tokens that are still to be seen are the
template's own; whatever else reads like one stays text.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, Protocol

from data.conversation import texts_in

from .keeping_encoder import KeepingEncoder, Span

HIDDEN = "\U00030000"  # for each character that is hidden: a letter, which templates let stand
# Names of fields, and words that templates compare with: they are looked at, not only written.
FIELDS = {
    *("role", "content", "name", "tool_calls", "tool_call_id", "id", "type", "function"),
    *("arguments", "parameters", "properties", "required", "description", "enum", "items"),
    *("default", "strict", "title", "format", "anyOf", "system", "user", "assistant", "tool"),
    *("string", "number", "integer", "boolean", "object", "array", "null"),
}


class HasTokens(Protocol):
    """What is needed of a transformers tokenizer."""

    all_special_ids: Any
    added_tokens_decoder: Any


class ControlTokens:
    """Those a tokenizer marks as special, and `more`: others that a template writes around turns.

    Added tokens that are neither, such as Qwen's <tool_call>, are words of the model's language.
    """

    def __init__(self, tokenizer: HasTokens, more: Collection[str] = ()) -> None:
        added: dict[int, Any] = tokenizer.added_tokens_decoder
        special = set(tokenizer.all_special_ids)
        self._tokenizer = tokenizer
        self._tokens = {
            token_id: token
            for token_id, token in added.items()
            if token.content and (token.special or token_id in special or token.content in more)
        }
        texts = sorted((token.content for token in self._tokens.values()), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, texts)) or r"(?!)")
        self._any_case = re.compile(self._pattern.pattern, re.IGNORECASE)  # templates may change it
        self._begins = {text[:i] for text in texts for i in range(1, len(text))}
        self._ends = {text[i:] for text in texts for i in range(1, len(text))}
        self._joined, self._longest = "\0".join(texts), max(map(len, texts), default=0)

    def find_in(self, value: Any) -> list[str]:
        """The control tokens whose text stands in a text, or in any JSON with texts."""
        return [token for text in texts_in(value) for token in self._pattern.findall(text)]

    def spans(self, text: str) -> tuple[Span, ...]:
        return tuple(match.span() for match in self._pattern.finditer(text))

    def count(self, token_ids: Sequence[int]) -> int:
        """How many ids are control tokens; what stands for unknown characters counts for none."""
        return sum(map(self._known_ids.__contains__, token_ids))

    @cached_property
    def encoder(self) -> KeepingEncoder | None:
        """None where the tokenizer is none of the `tokenizers` library."""
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        return backend and KeepingEncoder(backend, self._tokens, self._known_ids)

    @cached_property
    def _known_ids(self) -> frozenset[int]:
        return frozenset(self._tokens) - {getattr(self._tokenizer, "unk_token_id", None)}

    def hide(self, value: Any) -> Any:
        """A text, or any JSON with texts, without what could become a control token.

        Beside whole tokens that is what could be one's beginning, middle or end where texts and
        a template's own words meet.
        """
        if isinstance(value, str):
            return self._hide(value)
        if isinstance(value, Mapping):
            return {
                key if key in FIELDS else self.hide(key): each if key == "role" else self.hide(each)
                for key, each in value.items()
            }
        if isinstance(value, Sequence):
            return [self.hide(each) for each in value]
        return value

    def _hide(self, text: str) -> str:
        bare = text.strip()  # templates may strip it
        lengths = range(1, min(len(bare) + 1, self._longest))
        is_end = any(bare[:n] in self._ends for n in lengths) or self._is_inside(bare)
        is_begin = any(bare[-n:] in self._begins for n in lengths)
        if not (is_begin or is_end or self._any_case.search(text)):
            return text
        characters = list(self._any_case.sub(lambda match: HIDDEN * len(match[0]), text))
        first = text.index(bare)
        if is_end:
            characters[first] = HIDDEN
        if is_begin:
            characters[first + len(bare) - 1] = HIDDEN
        return "".join(characters)

    def _is_inside(self, bare: str) -> bool:
        return 0 < len(bare) < self._longest and bare in self._joined and bare not in FIELDS


@lru_cache(maxsize=4)
def control_tokens_of(tokenizer: HasTokens, more: frozenset[str]) -> ControlTokens:
    """The same for all templates of one tokenizer that have the same `more`."""
    return ControlTokens(tokenizer, more)


def is_same_text(text: str, hidden: str) -> bool:
    """Whether both differ in nothing but in what is hidden."""
    return len(text) == len(hidden) and all(
        other in (one, HIDDEN) for one, other in zip(text, hidden, strict=True)
    )
