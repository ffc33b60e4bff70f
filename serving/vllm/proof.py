"""Whether a server answers with an adapter, and not merely says that it has it.

One greedy token of a prompt that is the same for all, with the likeliest others: what an adapter
makes of it differs from what the base makes of it, and is the same wherever and whenever it is
asked.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .asking import id_of

NUM_TOLD = 5  # tokens
EFFECT = 1e-4  # [nats] that an adapter changes at least: float32 is exact to a hundredth of it
TOLERANCE = 0.25  # [nats] between two servers, or two batches, in bfloat16


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of the prompt: the likeliest next tokens with their log probabilities."""

    told: Mapping[int, float]

    def has_effect(self, base: "Proof") -> bool:
        """Whether it is another one than the base's."""
        return self.told.keys() != base.told.keys() or self._distance(base) > EFFECT

    def is_same(self, other: "Proof") -> bool:
        """Whether two servers, or one at two times, answer alike."""
        return self._distance(other) <= TOLERANCE

    def _distance(self, other: "Proof") -> float:
        """The largest difference of what both tell [nats]."""
        common = self.told.keys() & other.told.keys()
        differences = (abs(self.told[each] - other.told[each]) for each in common)
        return max(differences, default=math.inf)


def question(model: str, prompt_ids: Sequence[int]) -> dict[str, Any]:
    """The body of the completion that shows it."""
    return {
        "model": model,
        "prompt": [*prompt_ids],
        "add_special_tokens": False,
        "max_tokens": 1,
        "temperature": 0,
        "ignore_eos": True,
        "logprobs": NUM_TOLD,
        "return_tokens_as_token_ids": True,
    }


def proof_of(choice: Mapping[str, Any]) -> Proof:
    (top,) = choice["logprobs"]["top_logprobs"]
    return Proof({id_of(token): logprob for token, logprob in top.items()})
