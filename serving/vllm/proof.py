"""Whether a server answers with an adapter, and not merely says that it has it.

One greedy token of a prompt that is the same for all, with the likeliest others: what an adapter
makes of it differs from what the base makes of it, and is the same wherever and whenever it is
asked. A server that computes in bfloat16 answers the same question a little differently in each
batch, so an effect has to be larger than that.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

from .asking import id_of
from .pushed import ZEROS

NUM_TOLD = 5  # tokens
EFFECT = 1e-4  # [nats] that an adapter changes at least: float32 is exact to a hundredth of it
PLAIN = 0.5  # [nats] that no batch makes of the same question, in bfloat16
TOLERANCE = 0.25  # [nats] between two servers, or two batches, in bfloat16
ROUNDS = 3  # times that are asked where once is not plain
MOST_REMEMBERED = 4096  # names


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of the prompt: the likeliest next tokens with their log probabilities."""

    told: Mapping[int, float]

    def distance(self, other: "Proof") -> float:
        """The largest difference of a token [nats]; one that is not told has at most the least."""
        return max(self._beyond(other), other._beyond(self))

    def _beyond(self, other: "Proof") -> float:
        least = min(other.told.values())
        return max(
            abs(logprob - other.told[token]) if token in other.told else max(0.0, logprob - least)
            for token, logprob in self.told.items()
        )


def distance(some: Sequence[Proof], others: Sequence[Proof]) -> float:
    """The least between any two of them [nats]: those of one adapter come close at last."""
    return min(one.distance(other) for one, other in product(some, others))


def has_effect(own: Sequence[Proof], base: Sequence[Proof]) -> bool:
    """Whether an adapter's answers are farther from the base's than each are among themselves."""
    return distance(own, base) > max(EFFECT, _noise(own), _noise(base))


def _noise(same: Sequence[Proof]) -> float:
    return max((one.distance(other) for one, other in combinations(same, 2)), default=0.0)


class References:
    """What each name has answered first, at any of several servers of the same base."""

    def __init__(self) -> None:
        self._base: Proof | None = None  # never forgotten
        self._known: OrderedDict[str, Proof] = OrderedDict()

    def of(self, name: str) -> Proof | None:
        return self._base if name == ZEROS else self._known.get(name)

    def keep(self, name: str, proof: Proof) -> None:
        if name == ZEROS:
            self._base = self._base or proof
            return
        self._known.setdefault(name, proof)
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)

    def forget(self, name: str) -> None:
        self._known.pop(name, None)


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
    """Raises one of client.ODD where there is none."""
    (top,) = choice["logprobs"]["top_logprobs"]
    if not top:
        raise ValueError("no token is told")
    return Proof({id_of(token): float(logprob) for token, logprob in top.items()})
