"""The loss of every trained token, without ever holding all their logits."""

from typing import Any

import torch

from finetune.hardware import CHUNK_BYTES

STRIDE = 32  # rows; products of few sizes, as in attention.py
Loss = tuple[torch.Tensor, torch.Tensor]


class AnswerHead(torch.autograd.Function):
    """−log softmax(h·Wᵀ)[label]: hidden [trained, width], weight [vocabulary, width], frozen, and
    labels [trained] give float32 [trained].

    With a teacher's hidden states t [trained, width] in place of labels, the Kullback-Leibler
    divergence of softmax(h·Wᵀ) from softmax(t·Wᵀ). The gradient to h is computed beside the loss,
    while a chunk's logits are there.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Any, weight: Any, target: Any) -> Any:
        needs_grad = ctx.needs_input_grad[0]
        rows = max(1, CHUNK_BYTES // (4 * weight.shape[0]) // STRIDE) * STRIDE
        losses: list[torch.Tensor] = []
        grads: list[torch.Tensor] = []
        num_rows, surplus = len(target), -len(target) % STRIDE
        hidden, target = _longer(hidden, surplus), _longer(target, surplus)
        for h, expected in zip(hidden.split(rows), target.split(rows), strict=True):
            logits = (h @ weight.t()).float()
            if target.is_floating_point():
                loss, shares = _to_teacher(logits, (expected @ weight.t()).float())
            else:
                loss, shares = _to_labels(logits, expected, needs_grad)
            losses.append(loss)
            if needs_grad:
                grads.append(shares.to(weight.dtype) @ weight)
        if needs_grad:
            ctx.save_for_backward(torch.cat(grads)[:num_rows])
        return torch.cat(losses)[:num_rows]

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (to_hidden,) = ctx.saved_tensors
        return to_hidden * grads[0][:, None].to(to_hidden.dtype), None, None


def _to_labels(logits: torch.Tensor, labels: torch.Tensor, needs_grad: bool) -> Loss:
    """The losses, and their gradient to the logits, which it overwrites where that is needed."""
    total = logits.logsumexp(-1, keepdim=True)
    loss = (total - logits.gather(-1, labels[:, None]))[:, 0]
    if needs_grad:
        logits.sub_(total).exp_()
        logits[torch.arange(len(labels), device=labels.device), labels] -= 1
    return loss, logits


def _to_teacher(logits: torch.Tensor, taught: torch.Tensor) -> Loss:
    """The divergences from what is taught, and their gradient to the logits."""
    own, expected = logits.log_softmax(-1), taught.log_softmax(-1)
    shares = expected.exp()
    return (shares * (expected - own)).sum(-1), own.exp_().sub_(shares)


def _longer(tensor: torch.Tensor, surplus: int) -> torch.Tensor:
    """A tensor with zeros behind its rows."""
    return torch.nn.functional.pad(tensor, (0, 0) * (tensor.dim() - 1) + (0, surplus))
