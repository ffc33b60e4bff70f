"""Answers that a JSON schema accepts, token by token, by llguidance.

The library knows one end token, requests have their own. So it is given one that no base has,
and a request's end tokens stand for it.
"""

from copy import copy
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from serving.errors import SchemaRefused

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

END = "<|end of the answer|>"
# What people write, and bounded: a model that likes blanks would go on for ever.
WHITESPACE = r"( |\n {0,16})"
KEPT_SCHEMAS = 16
CAPS = np.array([-np.inf, np.inf], np.float32)  # of the logit of a forbidden, of an allowed token


class Matcher:
    """How far one answer is in its grammar, and which tokens may come next."""

    def __init__(self, matcher: "LLMatcher", end_id: int, end_ids: tuple[int, ...]) -> None:
        self._matcher = matcher
        self._end_id = end_id  # the library's
        self._end_ids = list(end_ids)  # the request's

    @property
    def is_finished(self) -> bool:
        """The answer is complete and cannot go on; true with or without an end token."""
        return self._matcher.is_stopped()

    def mask(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """A copy of logits of shape [vocab] with minus infinity for what may not come next.

        Raises SchemaRefused where the grammar grows beyond the library's limits.
        """
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        _check(self._matcher)
        allowed = np.unpackbits(bits, bitorder="little")
        allowed[self._end_id] = 0
        allowed[self._end_ids] = self._matcher.is_accepting()
        return np.minimum(logits, CAPS.take(allowed[: len(logits)]))

    def accept(self, token_id: int) -> None:
        """Go on by a token. Raises SchemaRefused as `mask` does, and for what the mask forbids."""
        self._matcher.consume_token(self._end_id if token_id in self._end_ids else token_id)
        _check(self._matcher)


class Grammars:
    """Owns the library's view of one tokenizer and the schemas compiled for it.

    May be called from several threads.
    """

    def __init__(self, tokenizer: Any, vocab_size: int) -> None:
        """`vocab_size` is the logits' width; the tokenizer's own may be smaller or larger."""
        self._tokenizer = tokenizer
        self._vocab_size = vocab_size
        self._lock = Lock()
        self._view: LLTokenizer | None = None
        self._compiled = lru_cache(KEPT_SCHEMAS)(self._compile)

    def matcher(self, json_schema: str, end_ids: tuple[int, ...]) -> Matcher:
        """A grammar at its beginning. The first call takes a second, so keep it off the event loop.

        Raises SchemaRefused for a schema that is wrong or that the library does not know.
        """
        with self._lock:
            if self._view is None:
                self._view = self._look_at_tokenizer()
            compiled = self._compiled(json_schema)
            return Matcher(compiled.deep_copy(), self._view.eos_token, end_ids)

    def _look_at_tokenizer(self) -> "LLTokenizer":
        from llguidance import LLTokenizer

        backend = copy(self._tokenizer.backend_tokenizer)
        backend.no_padding()
        backend.no_truncation()
        backend.add_special_tokens([END])
        size = max(self._vocab_size, backend.get_vocab_size())
        try:
            return LLTokenizer(backend.to_str(), n_vocab=size, eos_token=backend.token_to_id(END))
        except ValueError as error:
            raise SchemaRefused(
                f"JSON answers cannot be enforced with this base's tokenizer: {error}"
            ) from error

    def _compile(self, json_schema: str) -> "LLMatcher":
        from llguidance import LLMatcher, LLParserLimits

        assert self._view is not None
        try:
            grammar = LLMatcher.grammar_from_json_schema(
                json_schema, overrides={"whitespace_pattern": WHITESPACE}
            )
        except ValueError as error:
            raise SchemaRefused(f"The JSON schema cannot be enforced: {error}") from error
        limits = LLParserLimits(verbose_errors=False)
        matcher = LLMatcher(self._view, grammar, log_level=0, limits=limits)
        matcher.compute_bitmask()  # a schema that nothing satisfies shows at its first token
        _check(matcher)
        return matcher


def _check(matcher: "LLMatcher") -> None:
    if matcher.is_error():
        reason = matcher.get_error().removesuffix("<non-verbose/>").strip()
        raise SchemaRefused(f"The JSON schema cannot be enforced: {reason}")
