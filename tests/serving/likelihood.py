"""How well the decoder predicts the answers of the shipped samples, in any precision."""

import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path

import pytest
import torch

from data.chat import ChatRenderer, Rendered
from data.reading.reader import read_conversations
from finetune.bases.base import Base
from finetune.hardware import Precision
from serving.engine import Blend
from serving.torch.native.library import Library
from tests.serving.forcing import Forcing, Text

LEAST, FEW, MANY = 3, 5, 40  # conversations
TIMEOUT = 900  # [seconds]
BUDGET = 60  # [seconds] that the measurements of a test may take
CASES = [  # a sample and how much of it
    pytest.param("bike_workshop", FEW, marks=pytest.mark.timeout(TIMEOUT)),
    *(
        pytest.param(sample, MANY, marks=[pytest.mark.slow, pytest.mark.timeout(TIMEOUT)])
        for sample in ("tcm_consultation", "bike_workshop")
    ),
]
FOLDER = Path(__file__).parents[2] / "data" / "samples"
TOGETHER = 4  # [rows] in one step
CHUNK = 128  # [tokens] of each


def sample_rows(base: Base, name: str, count: int) -> list[Rendered]:
    """A file's first conversations."""
    renderer = ChatRenderer(base.tokenizer)
    conversations = read_conversations(FOLDER / f"{name}.txt")
    return [renderer.render(conversation) for conversation in conversations[:count]]


def affordable(
    rows: Sequence[Rendered], measure: Callable[[Sequence[Rendered]], object]
) -> Sequence[Rendered]:
    """As many of the first rows as are measured within the budget here, by the shortest of them."""
    probe = min(rows, key=lambda row: len(row.token_ids))
    start = time.perf_counter()
    measure([probe])
    num_tokens = len(probe.token_ids) * BUDGET / (time.perf_counter() - start)
    ends = accumulate(len(row.token_ids) for row in rows)
    return rows[: max(LEAST, sum(end <= num_tokens for end in ends))]


def answer_loss(
    base: Base,
    precision: Precision,
    rows: Sequence[Rendered],
    *,
    library: Library | None = None,
    blend: Blend = (),
) -> float:
    """Mean negative log-likelihood of an answer's token, in nats."""
    forcing = Forcing(base.folder, precision, library=library)
    groups = (rows[begin : begin + TOGETHER] for begin in range(0, len(rows), TOGETHER))
    losses = torch.cat([_losses(forcing, group, blend) for group in groups])
    return float(losses.double().mean())


def _losses(forcing: Forcing, rows: Sequence[Rendered], blend: Blend) -> torch.Tensor:
    """Of every trained token, [trained]."""
    labels = [[at for at, trained in enumerate(row.trained) if trained] for row in rows]
    texts = [
        Text(row.token_ids, blend, frozenset(at - 1 for at in own))
        for row, own in zip(rows, labels, strict=True)
    ]
    counts = [CHUNK] * -(-max(len(row.token_ids) for row in rows) // CHUNK)
    logits = torch.cat(forcing.logits(texts, counts))
    tokens = [row.token_ids[at] for row, own in zip(rows, labels, strict=True) for at in own]
    return torch.nn.functional.cross_entropy(logits, torch.tensor(tokens), reduction="none")
