"""The losses of preferences, as functions of log-likelihoods of whole answers [nats].

They are TRL's (checked against TRL 1.10): `dpo` is DPO's sigmoid loss (arXiv:2305.18290), with
`lengths` its `sigmoid_norm`; `examples` is its `sft` loss, the mean over all tokens of a step's
preferred answers, which TRL once called `rpo_alpha`; `kto` is KTO's (arXiv:2402.01306). Means are
over a step's pairs, tokens or answers, whatever the micro-batches.
"""

from typing import Any

Lengths = tuple[Any, Any]  # [pairs] tokens of the preferred answers, and of the others


def dpo(preferred: Any, other: Any, beta: float, lengths: Lengths | None = None) -> Any:
    """`preferred` and `other` [pairs]: how much likelier each answer is than to the reference. With
    `lengths`, by the token."""
    import torch

    if lengths is not None:
        preferred, other = preferred / lengths[0], other / lengths[1]
    return -torch.nn.functional.logsigmoid(beta * (preferred - other)).mean()


def examples(preferred: Any, num_tokens: int) -> Any:
    """`preferred` [pairs]: the log-likelihoods of the preferred answers, of so many tokens."""
    return -preferred.sum() / num_tokens


def kto(
    good: Any, bad: Any, mismatched: Any, beta: float, weights: tuple[float, float] = (1.0, 1.0)
) -> Any:
    """`good`, `bad` and `mismatched`: how much likelier each answer is than to the reference; the
    last ones stand behind questions of others, and say how far the model has moved in all."""
    import torch

    drift = mismatched.mean().clamp(min=0).detach()
    losses = [
        weights[0] * (1 - torch.sigmoid(beta * (good - drift))),
        weights[1] * (1 - torch.sigmoid(beta * (drift - bad))),
    ]
    return torch.cat(losses).mean()
