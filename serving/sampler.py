"""The next token of one request from its logits; each request has a generator of its own."""

from collections import Counter
from typing import Any

from .engine import Sampling

GREEDY_BELOW = 1e-5  # a temperature under this would overflow float32, and draws nothing else


class Sampler:
    """Owns a request's random state and what it has said so far.

    The same seed gives the same tokens for the same logits, whatever else is in the batch.
    """

    def __init__(self, sampling: Sampling, prompt_ids: tuple[int, ...]) -> None:
        import torch

        self._sampling = sampling
        self._prompt_ids = frozenset(prompt_ids)
        self._answered: Counter[int] = Counter()
        self._generator = torch.Generator()
        if sampling.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(sampling.seed % 2**63)

    def pick(self, logits: Any) -> int:
        """Choose from logits of shape [vocab], float32."""
        logits = self._penalize(logits)
        if self._sampling.temperature < GREEDY_BELOW:
            token_id = int(logits.argmax())
        else:
            token_id = self._draw(logits / self._sampling.temperature)
        self._answered[token_id] += 1
        return token_id

    def _penalize(self, logits: Any) -> Any:
        """Repetition (Keskar et al. 2019) over prompt and answer; presence and frequency over
        the answer alone, as OpenAI defines them."""
        import torch

        chosen = self._sampling
        if chosen.repetition_penalty == 1 and not (
            chosen.presence_penalty or chosen.frequency_penalty
        ):
            return logits
        logits = logits.clone()
        known = sorted(self._prompt_ids | self._answered.keys())
        seen = torch.tensor(known, dtype=torch.long, device=logits.device)
        values = logits[seen]
        penalty = chosen.repetition_penalty
        logits[seen] = torch.where(values > 0, values / penalty, values * penalty)
        for token_id, count in self._answered.items():
            logits[token_id] -= chosen.presence_penalty + count * chosen.frequency_penalty
        return logits

    def _draw(self, logits: Any) -> int:
        """Top-k, then top-p, then min-p, each over what the one before left."""
        import torch

        chosen = self._sampling
        count = min(chosen.top_k or len(logits), len(logits))
        values, ids = torch.topk(logits, count)
        probabilities = values.softmax(-1).cpu()
        before = probabilities.cumsum(-1) - probabilities
        kept = (before < chosen.top_p) & (probabilities >= chosen.min_p * probabilities[0])
        kept[0] = True
        drawn = torch.multinomial(probabilities * kept, 1, generator=self._generator)
        return int(ids[int(drawn)])
