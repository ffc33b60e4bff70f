"""Encodes texts in which only some of what reads like a control token is one."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

FIRST_NAME = 0x10F000  # of the private characters that stand for control tokens

Span = tuple[int, int]  # begin and end [characters]


class KeepingEncoder:
    """Has a copy of the tokenizer that knows control tokens by private characters alone.

    All the rest of the tokenizer is as it was, so what holds none is encoded as ever.
    """

    def __init__(self, backend: Any, tokens: Mapping[int, Any], forbidden: Collection[int]) -> None:
        """`tokens` by their ids; none that is `forbidden` may come of a text."""
        from tokenizers import Tokenizer

        self._backend: Any = Tokenizer.from_str(backend.to_str())
        self._backend.no_truncation()
        self._backend.no_padding()
        self._backend.add_special_tokens([_like(each, each.content) for each in tokens.values()])
        self._backend.encode_special_tokens = True  # from now on as any text
        names = {token_id: chr(FIRST_NAME + i) for i, token_id in enumerate(tokens)}
        self._backend.add_tokens(
            [_like(tokens[i], name, special=False) for i, name in names.items()]
        )
        self._names = {tokens[token_id].content: name for token_id, name in names.items()}
        self._ids = {self._backend.token_to_id(name): i for i, name in names.items()}
        self._forbidden = frozenset(forbidden)

    def encode(self, text: str, own: Sequence[Span]) -> tuple[int, ...] | None:
        """The ids with control tokens at `own` alone; None where a text would not stay text."""
        texts, names, end = list[str](), list[str](), 0
        for begin, stop in own:
            texts.append(text[end:begin])
            names.append(self._names[text[begin:stop]])
            end = stop
        texts.append(text[end:])
        if any(map(self._holds_name, texts)):
            return None
        named = "".join(part for pair in zip(texts, [*names, ""], strict=True) for part in pair)
        found: list[int] = self._backend.encode(named, add_special_tokens=False).ids
        is_sound = self._forbidden.isdisjoint(found)
        is_sound &= sum(map(self._ids.__contains__, found)) == len(own)
        return tuple(self._ids.get(i, i) for i in found) if is_sound else None

    def _holds_name(self, text: str) -> bool:
        return not set(self._names.values()).isdisjoint(text)


def _like(token: Any, content: str, *, special: bool = True) -> Any:
    from tokenizers import AddedToken

    flags = {
        name: getattr(token, name) for name in ("single_word", "lstrip", "rstrip", "normalized")
    }
    return AddedToken(content, special=special, **flags)
