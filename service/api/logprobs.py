"""Log probabilities as OpenAI tells them: every token with its name and its exact bytes."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from serving.engine import TokenLogprob

from .protocol import AnswerToken, ChoiceLogprobs, LogprobToken, TextLogprobs

BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")  # of SentencePiece's byte fallback
LEAST = -9999.0  # JSON has no minus infinity
KEPT_NAMES = 16384


class TokenNames:
    """What the tokens of one tokenizer are called."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._added: dict[int, Any] = tokenizer.added_tokens_decoder
        self._is_byte_level = _decodes_byte_level(tokenizer)
        self._named = lru_cache(KEPT_NAMES)(self._name)

    def listed(self, logprobs: Sequence[TokenLogprob]) -> ChoiceLogprobs:
        return ChoiceLogprobs(
            content=[
                AnswerToken(
                    **self._told(each.token_id, each.logprob),
                    top_logprobs=[LogprobToken(**self._told(*other)) for other in each.top],
                )
                for each in logprobs
            ],
            refusal=None,
        )

    def legacy(self, logprobs: Sequence[TokenLogprob], offsets: Sequence[int]) -> TextLogprobs:
        """Log probabilities as text completions tell them; `offsets` are the tokens' places in the
        text."""
        top = [dict([*each.top, (each.token_id, each.logprob)]) for each in logprobs]
        return TextLogprobs(
            tokens=[self._named(each.token_id)[0] for each in logprobs],
            token_logprobs=[max(each.logprob, LEAST) for each in logprobs],
            top_logprobs=[
                {
                    self._named(token_id)[0]: max(logprob, LEAST)
                    for token_id, logprob in likely.items()
                }
                for likely in top
            ],
            text_offset=list(offsets),
        )

    def bytes_of(self, token_id: int) -> bytes | None:
        """What the token adds to a text; None for special tokens and ids without a token."""
        if token_id in self._added:
            added = self._added[token_id]
            return None if added.special else added.content.encode()
        token: str | None = self._tokenizer.convert_ids_to_tokens(token_id)
        if token is None:
            return None
        if self._is_byte_level and BYTE_LEVEL.keys() >= set(token):
            return bytes(BYTE_LEVEL[character] for character in token)
        if found := BYTE_TOKEN.fullmatch(token):
            return bytes.fromhex(found[1])
        return token.replace("▁", " ").encode()

    def _told(self, token_id: int, logprob: float) -> dict[str, Any]:
        name, raw = self._named(token_id)
        return {
            "token": name,
            "logprob": max(logprob, LEAST),
            "bytes": None if raw is None else list(raw),
        }

    def _name(self, token_id: int) -> tuple[str, bytes | None]:
        raw = self.bytes_of(token_id)
        if raw is None:
            token: str | None = self._tokenizer.convert_ids_to_tokens(token_id)
            return token or f"<token {token_id}>", None
        try:
            return raw.decode(), raw
        except UnicodeDecodeError:
            return f"bytes:{str(raw)[2:-1]}", raw


def _decodes_byte_level(tokenizer: Any) -> bool:
    decoder: Any = getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None)
    return decoder is not None and b'"ByteLevel"' in decoder.__getstate__()


def _byte_level_characters() -> dict[str, int]:
    """The characters by which byte-level BPE writes the 256 bytes: the visible ones of Latin-1
    stand for themselves, the others follow from 256 on."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in visible]
    shifted = {chr(256 + place): byte for place, byte in enumerate(others)}
    return {chr(byte): byte for byte in visible} | shifted


BYTE_LEVEL = _byte_level_characters()
