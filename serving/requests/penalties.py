"""Penalties on what a request has read and said, kept ready from one token to the next."""

import numpy as np
from numpy.typing import NDArray

from serving.engine import Sampling


class Penalties:
    """Repetition (Keskar et al. 2019) over prompt and answer; presence and frequency over the
    answer alone, as OpenAI defines them."""

    def __init__(self, sampling: Sampling, prompt_ids: tuple[int, ...]) -> None:
        self._repetition = sampling.repetition_penalty
        self._presence = sampling.presence_penalty
        self._frequency = sampling.frequency_penalty
        known = sorted(set(prompt_ids))
        # _counts[place] tells how often the answer holds the token _ids[place].
        self._places = {token_id: place for place, token_id in enumerate(known)}
        self._ids = np.array(known, np.int64)
        self._counts = np.zeros(len(known), np.int64)

    def note(self, token_id: int) -> None:
        """Count a token of the answer."""
        place = self._places.setdefault(token_id, len(self._ids))
        if place == len(self._ids):
            self._ids = np.append(self._ids, token_id)
            self._counts = np.append(self._counts, 0)
        self._counts[place] += 1

    def apply(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """A penalized copy of logits of shape [vocab]."""
        values = logits[self._ids]
        values = np.where(values > 0, values / self._repetition, values * self._repetition)
        values -= self._presence * (self._counts > 0) + self._frequency * self._counts
        penalized = logits.copy()
        penalized[self._ids] = values
        return penalized
