"""The loss of every trained token, without ever holding all their logits."""

from typing import Any

import torch

CHUNK_BYTES = 64 << 20  # of float32 logits at a time
STRIDE = 32  # rows; products of few sizes, as in attention.py


class AnswerHead(torch.autograd.Function):
    """−log softmax(h·Wᵀ)[label]: hidden [trained, width], weight [vocabulary, width], frozen, and
    labels [trained] give float32 [trained].

    The gradient to h is computed beside the loss, while a chunk's logits are there.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Any, weight: Any, labels: Any) -> Any:
        needs_grad = ctx.needs_input_grad[0]
        rows = max(1, CHUNK_BYTES // (4 * weight.shape[0]) // STRIDE) * STRIDE
        losses: list[torch.Tensor] = []
        grads: list[torch.Tensor] = []
        num_rows, surplus = len(labels), -len(labels) % STRIDE
        hidden = torch.nn.functional.pad(hidden, (0, 0, 0, surplus))
        labels = torch.nn.functional.pad(labels, (0, surplus))
        for h, label in zip(hidden.split(rows), labels.split(rows), strict=True):
            logits = (h @ weight.t()).float()
            total = logits.logsumexp(-1, keepdim=True)
            losses.append((total - logits.gather(-1, label[:, None]))[:, 0])
            if needs_grad:
                shares = logits.sub_(total).exp_()
                shares[torch.arange(len(label), device=label.device), label] -= 1
                grads.append(shares.to(weight.dtype) @ weight)
        if needs_grad:
            ctx.save_for_backward(torch.cat(grads)[:num_rows])
        return torch.cat(losses)[:num_rows]

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (to_hidden,) = ctx.saved_tensors
        return to_hidden * grads[0][:, None].to(to_hidden.dtype), None, None
