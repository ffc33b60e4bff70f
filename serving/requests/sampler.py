"""The next token of one request from its logits; each request has a generator of its own.

A step samples every row in turn while the model waits, so nothing here sorts or sums the whole
vocabulary where a part of it will do.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from serving.engine import Sampling, TokenLogprob
from serving.errors import BiasRefused, EngineFailed

from .grammar import Matcher
from .penalties import Penalties

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]
Side = Literal["left", "right"]

GREEDY_BELOW = 1e-5  # a temperature under this would overflow float32, and draws nothing else
BLOCK = 1024  # [tokens] summed at once
FLOOR = 1e-4  # of the likeliest token's weight: nearly every nucleus lies above


@dataclass(frozen=True, slots=True)
class PickedToken:
    token_id: int
    logprob: TokenLogprob | None  # None where the request did not ask


class Sampler:
    """Owns a request's random state and what it has said so far.

    The same seed gives the same tokens for the same logits, whatever else is in the batch.
    """

    def __init__(
        self, sampling: Sampling, prompt_ids: tuple[int, ...], grammar: Matcher | None = None
    ) -> None:
        self._sampling = sampling
        self._grammar = grammar
        self._penalties = Penalties(sampling, prompt_ids) if _penalizes(sampling) else None
        self._biased_ids = np.array([token_id for token_id, _ in sampling.logit_bias], np.int64)
        self._biases = np.array([bias for _, bias in sampling.logit_bias], np.float32)
        seed = sampling.seed
        self._generator = np.random.default_rng(None if seed is None else seed % 2**64)

    @property
    def is_plain_greedy(self) -> bool:
        """The likeliest token is all that is wanted: `note` it instead of calling `pick`."""
        return (
            self._is_greedy
            and self._penalties is None
            and self._grammar is None
            and not self._sampling.logit_bias
            and self._sampling.top_logprobs is None
        )

    @property
    def is_finished(self) -> bool:
        """The answer is complete, end token or not, and can take no further token."""
        return self._grammar is not None and self._grammar.is_finished

    def pick(self, logits: Any) -> PickedToken:
        """Choose from logits of shape [vocab], which are left as they are, and note the choice.

        They are a tensor, or an array of float32.

        Raises SchemaRefused where the answer's schema proves too much for the grammar, and
        EngineFailed where there is nothing to choose.
        """
        raw: Floats = logits if isinstance(logits, np.ndarray) else logits.float().cpu().numpy()
        scores = self._adjust(raw)
        token_id = int(scores.argmax())
        if not math.isfinite(scores[token_id]):
            raise EngineFailed("The logits hold no token that could be chosen.")
        if not self._is_greedy:
            token_id = self._draw(scores, scores[token_id])
        choice = PickedToken(token_id, self._logprob(raw, token_id))
        self.note(token_id)
        return choice

    def note(self, token_id: int) -> None:
        """Take a token into account that is now part of the answer."""
        if self._penalties is not None:
            self._penalties.note(token_id)
        if self._grammar is not None:
            self._grammar.accept(token_id)

    @property
    def _is_greedy(self) -> bool:
        return self._sampling.temperature < GREEDY_BELOW

    def _adjust(self, scores: Floats) -> Floats:
        if self._penalties is not None:
            scores = self._penalties.apply(scores)
        if len(self._biases):
            scores = scores.copy()
            scores[self._biased_ids] += self._biases
        return scores if self._grammar is None else self._grammar.mask(scores)

    def _draw(self, scores: Floats, highest: np.float32) -> int:
        """Top-k, then top-p, then min-p, each over what the one before left."""
        chosen = self._sampling
        weights = scores - highest
        weights /= np.float32(chosen.temperature)
        np.exp(weights, out=weights)
        if 0 < chosen.top_k < len(weights):
            weights = _only(weights, largest(scores, chosen.top_k))
        if chosen.top_p < 1:
            weights = _only(weights, nucleus(weights, chosen.top_p))
        if chosen.min_p > 0:
            weights[weights < chosen.min_p] = 0
        goal = self._generator.random() * float(weights.sum(dtype=np.float64))
        return locate(weights, goal, "right")

    def _logprob(self, raw: Floats, token_id: int) -> TokenLogprob | None:
        count = self._sampling.top_logprobs
        if count is None:
            return None
        highest = raw.max()
        log_total = float(highest) + math.log(np.exp(raw - highest).sum(dtype=np.float64))
        top = largest(raw, min(count, len(raw)))
        top = top[np.argsort(-raw[top], kind="stable")]
        return TokenLogprob(
            token_id,
            float(raw[token_id]) - log_total,
            tuple((int(i), float(raw[i]) - log_total) for i in top),
        )


def check_bias(sampling: Sampling, vocab_size: int) -> None:
    """Raises BiasRefused for a token id that the base does not have."""
    unknown = [token_id for token_id, _ in sampling.logit_bias if not 0 <= token_id < vocab_size]
    if unknown:
        raise BiasRefused(unknown[0], vocab_size)


def _penalizes(sampling: Sampling) -> bool:
    return sampling.repetition_penalty != 1 or bool(
        sampling.presence_penalty or sampling.frequency_penalty
    )


def largest(values: Floats, count: int) -> Ids:
    """The indices of the `count` largest values, ascending; of equal values the first."""
    if count == 0:
        return np.empty(0, np.int64)
    return _down_to(values, np.partition(values, -count)[-count], count)


def nucleus(weights: Floats, top_p: float) -> Ids:
    """The indices of the fewest weights, the largest first, that reach `top_p` of them all.

    `weights` are unnormalized probabilities, the likeliest's being 1.
    """
    goal = top_p * float(weights.sum(dtype=np.float64))
    above = weights[weights >= FLOOR]
    if above.sum(dtype=np.float64) < goal:
        above = weights
    ranked = np.sort(above)[::-1]
    last = locate(ranked, goal, "left")
    return _down_to(weights, ranked[last], last + 1)


def locate(weights: Floats, goal: float, side: Side) -> int:
    """The index at which the running sum of the weights reaches ("left") or passes ("right") it.

    First the block, then the index in it: a running sum over a whole vocabulary takes ten times
    as long.
    """
    sums = np.add.reduceat(weights, np.arange(0, len(weights), BLOCK), dtype=np.float64).cumsum()
    block = _place(sums, goal, side)
    inside = weights[block * BLOCK : (block + 1) * BLOCK].cumsum(dtype=np.float64)
    return block * BLOCK + _place(inside, goal - (sums[block - 1] if block else 0.0), side)


def _place(sums: NDArray[np.float64], goal: float, side: Side) -> int:
    # Rounding may ask for more than there is. A step that passes its goal has a weight above 0.
    return int(sums.searchsorted(min(goal, np.nextafter(sums[-1], 0)), side))


def _down_to(values: Floats, least: np.float32, count: int) -> Ids:
    """The indices of the `count` largest values, the smallest of which is known."""
    indices = np.flatnonzero(values >= least)
    surplus = len(indices) - count
    if surplus:
        equal = np.flatnonzero(values[indices] == least)
        indices = np.delete(indices, equal[-surplus:])
    return indices


def _only(weights: Floats, kept: Ids) -> Floats:
    rest = np.zeros_like(weights)
    rest[kept] = weights[kept]
    return rest
