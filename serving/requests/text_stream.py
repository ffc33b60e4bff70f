"""Token ids to text as it may be sent: whole characters only, nothing of a stop string.

A Chinese character is often several tokens, so a token's text may not be known yet when the
token is.
"""

from collections.abc import Sequence
from typing import Any, Protocol

INCOMPLETE = "\ufffd"


class Detokenizer(Protocol):
    def decode(self, token_ids: Any, *, skip_special_tokens: bool) -> Any: ...


class TextStream:
    """The text of one answer, token by token."""

    def __init__(self, tokenizer: Detokenizer, stop: Sequence[str] = ()) -> None:
        self.is_stopped = False  # a stop string has appeared; the text before it is all there is
        self._tokenizer = tokenizer
        self._stop = tuple(stop)
        self._ids: list[int] = []
        # ids[context:known] have been decoded; they are kept since a token's text can depend
        # on the one before it. ids[known:] await the rest of a character.
        self._context = 0
        self._known = 0
        self._held = ""  # text that may be the beginning of a stop string

    def push(self, token_id: int) -> str:
        """Add a token; returns the text that may be sent now, possibly none."""
        self._ids.append(token_id)
        text = self._new_text()
        if text.endswith(INCOMPLETE):
            return ""
        self._context, self._known = self._known, len(self._ids)
        return self._release(text)

    def finish(self) -> str:
        """The text still held back, at the end of an answer; half a character is dropped."""
        text = self._release(self._new_text().rstrip(INCOMPLETE))
        held, self._held = self._held, ""
        self._known = len(self._ids)
        return text + held

    def _new_text(self) -> str:
        before = self._decode(self._ids[self._context : self._known])
        return self._decode(self._ids[self._context :])[len(before) :]

    def _decode(self, token_ids: list[int]) -> str:
        return self._tokenizer.decode(token_ids, skip_special_tokens=True)

    def _release(self, text: str) -> str:
        if self.is_stopped:
            return ""
        pending = self._held + text
        found = [at for at in (pending.find(stop) for stop in self._stop) if at >= 0]
        if found:
            self.is_stopped, self._held = True, ""
            return pending[: min(found)]
        keep = max((_overlap(pending, stop) for stop in self._stop), default=0)
        cut = len(pending) - keep
        self._held = pending[cut:]
        return pending[:cut]


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` begin `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
