"""Texts to token ids and back, by the base's own tokenizer and no chat template."""

from collections.abc import Sequence

from data.chat import Tokenizer
from service.errors import InvalidRequest


class Vocabulary:
    """The tokens of one tokenizer. Tokenizing takes time, so keep it off the event loop."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._size = len(tokenizer)

    def encode(self, text: str, *, add_special_tokens: bool = True) -> tuple[int, ...]:
        """The names of special tokens mean these tokens."""
        return tuple(self._tokenizer.encode(text, add_special_tokens=add_special_tokens))

    def decode(self, token_ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(token_ids)))

    def check(self, token_ids: Sequence[int], field: str) -> None:
        """Raises InvalidRequest for ids that are no tokens of this base."""
        for index, token_id in enumerate(token_ids):
            if not 0 <= token_id < self._size:
                raise InvalidRequest(
                    f"{field}[{index}]: {token_id} is no token of this base, whose token ids go "
                    f"from 0 to {self._size - 1}.",
                    field,
                )
