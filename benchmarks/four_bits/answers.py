"""What answers lose in one engine or another, and how far its words are from the exact ones."""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from data.chat import Rendered
from finetune.hardware import Precision
from serving.requests.sequence import num_blocks_for
from serving.torch.architecture import read_architecture
from serving.torch.forms.build import Form, TorchEngineConfig, build_parts
from serving.torch.native.library import Library
from serving.torch.step import Span, Step

LogProbs = Callable[[Rendered], Any]  # of the tokens after each of a row, [T, vocabulary]


class Lost(NamedTuple):
    """Means over the answers' tokens, in nats."""

    loss: float
    divergence: float  # Kullback-Leibler's, of the probabilities from the exact ones


def measure(rows: Sequence[Rendered], log_probs: LogProbs, exact: LogProbs) -> Lost:
    import torch

    losses: list[Any] = []
    divergences: list[Any] = []
    for row in rows:
        at = torch.tensor([place for place, trained in enumerate(row.trained) if trained])
        own, right = log_probs(row)[at - 1], exact(row)[at - 1]
        losses.append(-own.gather(1, torch.tensor(row.token_ids)[at, None])[:, 0])
        divergences.append((right.exp() * (right - own)).sum(-1))
    return Lost(*(float(torch.cat(each).double().mean()) for each in (losses, divergences)))


def ours(folder: Path, precision: Precision, library: Library | None) -> LogProbs:
    import torch

    config = TorchEngineConfig(precision, kv_bytes=1 << 28)
    with torch.inference_mode():
        form = Form(precision, library)
        parts = build_parts(folder, read_architecture(folder), form, config)

    def log_probs(row: Rendered) -> Any:
        with torch.inference_mode():
            logits = parts.decoder.forward(_step(row), parts.cache, parts.bank)
            return torch.log_softmax(logits, -1)

    return log_probs


def llama_cpp(path: Path, longest: int) -> LogProbs:
    """longest: [tokens] of a row."""
    import torch

    llama: Any = import_module("llama_cpp")  # of an extra
    model = llama.Llama(str(path), n_ctx=longest, logits_all=True, verbose=False)

    def log_probs(row: Rendered) -> Any:
        model.reset()
        model.eval(list(row.token_ids))
        return torch.log_softmax(torch.from_numpy(model.scores[: len(row.token_ids)]), -1)

    return log_probs


def _step(row: Rendered) -> Step:
    """All of a row at once, its logits wanted."""
    import torch

    count = len(row.token_ids)
    each = torch.arange(count)
    return Step(
        token_ids=torch.tensor(row.token_ids),
        positions=each,
        slots=each,
        granules=torch.zeros(count, 1, dtype=torch.long),
        scales=torch.zeros(count, 1),
        num_granules=0,
        spans=[Span(0, count, 0, list(range(num_blocks_for(count))))],
        sampled=each,
    )
