"""One request on its way through the engine: its sequence, its sampler, its text, its listener."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.engine import Delta, FinishReason, Request
from serving.errors import ServingError

from .grammar import Matcher
from .sampler import PickedToken, Sampler
from .sequence import Sequence
from .text_stream import TextStream


class Row:
    def __init__(
        self,
        request: Request,
        tokenizer: Any,
        emit: Callable[[Delta | ServingError], None],
        grammar: Matcher | None = None,
    ) -> None:
        self.request = request
        self.emit = emit
        self.sequence = Sequence(request)
        self.sampler = Sampler(request.sampling, request.prompt_ids, grammar)
        self._text = TextStream(tokenizer, request.sampling.stop)

    def take(self, logits: NDArray[np.float32] | int) -> Delta | ServingError:
        """The next token, by its logits or, where it was chosen already, its number; to be emitted
        once the batch is in order. A failure ends this row, and not its neighbours."""
        try:
            return self.advance(self._choose(logits))
        except ServingError as error:
            return error

    def _choose(self, logits: NDArray[np.float32] | int) -> PickedToken:
        if isinstance(logits, int):
            best = logits
        else:
            best = int(logits.argmax()) if self.sampler.is_plain_greedy else None
            if best is None or not math.isfinite(logits[best]):
                return self.sampler.pick(logits)
        self.sampler.note(best)
        return PickedToken(best, None)

    def advance(self, choice: PickedToken) -> Delta:
        """Add the next token; what is returned is to be emitted once the batch is in order."""
        token_id = choice.token_id
        self.sequence.token_ids.append(token_id)
        sampling = self.request.sampling
        reason: FinishReason | None = None
        if token_id in self.request.end_ids and not sampling.ignore_eos:
            text, reason = self._text.finish(), "stop"
        else:
            text = self._text.push(token_id)
            if self._text.is_stopped:
                reason = "stop"
            elif self.sampler.is_finished:  # the grammar allows nothing more
                text, reason = text + self._text.finish(), "stop"
            elif self.sequence.num_answered >= sampling.max_tokens:
                text += self._text.finish()
                reason = "stop" if self._text.is_stopped else "length"
        logprobs = () if choice.logprob is None else (choice.logprob,)
        return Delta((token_id,), text, reason, self.sequence.num_cached, logprobs)
