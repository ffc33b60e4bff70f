"""The decoder on texts that are given, in steps of any shape: every token's logits."""

from collections.abc import Sequence as Several
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import torch

from finetune.hardware import Precision
from serving.engine import Blend, Request
from serving.requests.sequence import BLOCK, Sequence, num_blocks_for
from serving.torch.architecture import read_architecture
from serving.torch.forms.build import Form, TorchEngineConfig, build_parts
from serving.torch.native.library import Library
from serving.torch.scheduler import Chunk
from serving.torch.step import build_step, order

KV_BYTES = 1 << 28
Counts = Several[int]  # [tokens] of each step


@dataclass(frozen=True, slots=True)
class Text:
    token_ids: tuple[int, ...]
    blend: Blend = ()
    wanted: frozenset[int] | None = None  # the tokens whose logits are wanted; None: all

    def offsets(self, chunk: Chunk) -> list[int]:
        """The wanted tokens of a chunk, counted from its first."""
        tokens = range(chunk.start, chunk.end)
        return [at - chunk.start for at in tokens if self.wanted is None or at in self.wanted]


class Forcing:
    """A decoder with its adapters and its cache, but no scheduler: tests say what a step is."""

    def __init__(
        self,
        base: Path,
        precision: Precision = "fp32",
        library: Library | None = None,  # to compute with
    ) -> None:
        form = Form(precision, library)
        architecture = read_architecture(base)
        config = TorchEngineConfig(precision, kv_bytes=KV_BYTES)
        with torch.inference_mode():
            parts = build_parts(base, architecture, form, config)
        self.decoder, self._bank, self._cache = parts.decoder, parts.bank, parts.cache

    def logits(self, texts: Several[Text], counts: Counts) -> list[torch.Tensor]:
        """Each text's logits, [wanted, vocabulary]. Every step takes the next `count` tokens of
        every text that has as many left, and else all it has."""
        with torch.inference_mode():
            sequences = self._begin(texts)
            seen: list[list[torch.Tensor]] = [[] for _ in texts]
            for count in counts:
                self._step(texts, sequences, count, seen)
            assert all(sequence.num_missing == 0 for sequence in sequences)
            for text in texts:
                self._bank.release(text.blend)
            return [torch.cat(parts) for parts in seen]

    def _begin(self, texts: Several[Text]) -> list[Sequence]:
        """Blocks in an order of no order, as after many requests."""
        free = torch.randperm(len(self._cache.layers[0][0]) // BLOCK).tolist()
        sequences: list[Sequence] = []
        for text in texts:
            assert self._bank.can_hold(text.blend)
            self._bank.hold(text.blend)
            sequence = Sequence(Request("", text.token_ids, blend=text.blend))
            sequence.blocks = [free.pop() for _ in range(num_blocks_for(len(text.token_ids)))]
            sequences.append(sequence)
        return sequences

    def _step(
        self,
        texts: Several[Text],
        sequences: list[Sequence],
        count: int,
        seen: list[list[torch.Tensor]],
    ) -> None:
        left = [own for own in sequences if own.num_missing]
        chunks = order([Chunk(own, min(count, own.num_missing)) for own in left])
        step = build_step(
            chunks,
            lambda chunk: self._bank.granules(chunk.sequence.request.blend),
            self.decoder.dtype,
            self.decoder.device,
        )
        numbers = [sequences.index(chunk.sequence) for chunk in chunks]
        offsets = [texts[n].offsets(chunk) for n, chunk in zip(numbers, chunks, strict=True)]
        begins = accumulate((chunk.count for chunk in chunks), initial=0)
        sampled = [begin + at for begin, own in zip(begins, offsets, strict=False) for at in own]
        step = replace(step, sampled=torch.tensor(sampled, dtype=torch.long))
        logits = self.decoder.forward(step, self._cache, self._bank)
        for n, own in zip(numbers, logits.split([len(own) for own in offsets]), strict=True):
            seen[n].append(own)
        for chunk in chunks:
            chunk.sequence.num_computed += chunk.count
