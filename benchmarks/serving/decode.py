"""How fast our engine's batch decodes, in one process and without HTTP.

Prompts are computed before the stopwatch starts.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

from serving.engine import AdapterRef, Delta, Request, Sampling
from serving.errors import ServingError
from serving.requests.row import Row
from serving.torch.architecture import read_architecture
from serving.torch.forms.build import Form, TorchEngineConfig, build_parts, numbers_for
from serving.torch.work import TorchWork

Precision = Literal["bf16", "nf4"]
RANK = 16
UNLIMITED = 1 << 40  # [bytes]
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)  # of a weight: 4 bits, a scale for 64, one for 256 scales


@dataclass(frozen=True, slots=True)
class Lengths:
    """[tokens]"""

    prompt: int = 128
    warm_up: int = 4
    steps: int = 32  # to be measured
    chunk: int = 2048  # of prompts, computed in one step

    def most(self, num_rows: int) -> int:
        """The most tokens of one row: the first rows go on while the last ones' prompts are
        computed."""
        waiting = -(-num_rows * self.prompt // self.chunk) + 1
        return self.prompt + waiting + self.warm_up + self.steps + 1

    def prompts(self, num_rows: int, vocab_size: int) -> list[tuple[int, ...]]:
        random = Random(num_rows)
        return [
            tuple(random.randrange(vocab_size) for _ in range(self.prompt)) for _ in range(num_rows)
        ]


@dataclass(frozen=True, slots=True)
class Place:
    """Which base, held how, and where."""

    folder: Path
    precision: Precision
    device: str

    def finish(self) -> None:
        """Wait until the device has computed all that it was given."""
        import torch

        if self.device == "cuda":
            torch.cuda.synchronize()


@dataclass(frozen=True, slots=True)
class Decoded:
    num_rows: int
    step_seconds: float
    step_bytes: float  # that a step has to read at the least

    @property
    def tokens_per_second(self) -> float:
        return self.num_rows / self.step_seconds


class Silent:
    """A tokenizer that has no words: only token ids are wanted."""

    def decode(self, token_ids: Any, *, skip_special_tokens: bool) -> str:
        return ""


class OurDecoder:
    """One batch, with room for the largest case."""

    def __init__(
        self, place: Place, adapters: Mapping[str, Path], max_rows: int, lengths: Lengths
    ) -> None:
        import torch

        self._place = place
        self._lengths = lengths
        self._architecture = read_architecture(place.folder)
        self._adapters = [
            AdapterRef(name, "1", f"sha256 of {name}", folder) for name, folder in adapters.items()
        ]
        config = TorchEngineConfig(
            precision=place.precision,
            device=place.device,
            max_rows=max_rows,
            chunk_tokens=lengths.chunk,
            context_length=lengths.most(max_rows),
            kv_bytes=UNLIMITED,
            adapter_bytes=UNLIMITED,
        )
        with torch.inference_mode():
            parts = build_parts(place.folder, self._architecture, Form(place.precision), config)
        self._batch = TorchWork(parts, max_rows, lengths.chunk)

    def decode(self, num_adapters: int, num_rows: int) -> Decoded:
        """The rows take the adapters in turn; without any, they are the base's."""
        import torch

        rows = self._rows(num_adapters, num_rows)
        with torch.inference_mode():
            for row in rows:
                self._batch.add(row)
            while any(row.sequence.num_answered == 0 for row in rows):
                self._batch.step()
            self._take_steps(self._lengths.warm_up)
            begin = time.perf_counter()
            self._take_steps(self._lengths.steps)
            seconds = (time.perf_counter() - begin) / self._lengths.steps
            assert all(row.sequence.num_answered > self._lengths.steps for row in rows)
            context = sum(len(row.sequence.token_ids) for row in rows)
            for row in rows:
                self._batch.cancel(row)
        context -= num_rows * self._lengths.steps // 2  # as it was halfway
        return Decoded(num_rows, seconds, self._step_bytes(min(num_adapters, num_rows), context))

    def _take_steps(self, count: int) -> None:
        for _ in range(count):
            self._batch.step()
        self._place.finish()

    def _rows(self, num_adapters: int, num_rows: int) -> list[Row]:
        most = self._lengths.most(num_rows) - self._lengths.prompt
        sampling = Sampling(max_tokens=most, temperature=0.0, ignore_eos=True)
        prompts = self._lengths.prompts(num_rows, self._architecture.vocab_size)
        requests = [
            Request(
                id=str(number),
                prompt_ids=prompt,
                blend=((self._adapters[number % num_adapters], 1.0),) if num_adapters else (),
                sampling=sampling,
            )
            for number, prompt in enumerate(prompts)
        ]
        return [Row(request, Silent(), _raise_failures) for request in requests]

    def _step_bytes(self, num_adapters: int, context: int) -> float:
        """The base once, the adapters in use once, all rows' keys and values."""
        numbers = numbers_for(self._place.precision, self._place.device)
        wide = numbers.dtype.itemsize
        shape = self._architecture
        matrices = list(shape.projections.values())
        weights = shape.num_layers * sum(rows * columns for rows, columns in matrices)
        weight_bytes = NF4_BYTES if self._place.precision == "nf4" else wide
        head = shape.vocab_size * shape.hidden_size
        ranks = shape.num_layers * sum(rows + columns for rows, columns in matrices)
        adapters = num_adapters * RANK * ranks * wide
        pairs = 2 * shape.num_layers * shape.num_kv_heads * shape.head_dim
        cached = context * pairs * numbers.cache_dtype.itemsize
        return weights * weight_bytes + head * wide + adapters + cached


def _raise_failures(outcome: Delta | ServingError) -> None:
    if isinstance(outcome, ServingError):
        raise outcome
