"""The requests being computed, and what one step does: schedule, compute, choose, tell."""

from typing import Any

from serving.adapters.residents import Residents
from serving.engine import AdapterRef, EngineStats
from serving.errors import ServingError
from serving.requests.row import Row
from serving.requests.sequence import Sequence

from .bank import AdapterBank
from .encoder import EncodedAdapter
from .forms.build import Form, Parts
from .scheduler import Chunk, Scheduler
from .step import build_step, order


class TorchWork:
    """Asks the owners of rows, blocks and adapters, and computes what they agree on.

    All its methods belong into one `torch.inference_mode`: what a step writes, another reads.
    """

    def __init__(self, parts: Parts, max_rows: int, chunk_tokens: int) -> None:
        self._parts = parts
        self._scheduler = Scheduler(parts.pool, parts.bank, max_rows, chunk_tokens)
        self._rows: dict[Sequence, Row] = {}
        self._num_prompt_tokens = 0
        self._num_cached_tokens = 0

    @property
    def form(self) -> Form:
        return self._parts.form

    @property
    def bank(self) -> AdapterBank:
        return self._parts.bank

    @property
    def is_idle(self) -> bool:
        return not self._rows

    @property
    def residents(self) -> Residents[EncodedAdapter]:
        return self.bank.residents

    def stats(self) -> EngineStats:
        form = self.form
        return EngineStats(
            num_running=len(self._scheduler.running),
            num_waiting=len(self._scheduler.waiting),
            num_blocks=self._parts.pool.num_blocks,
            num_free_blocks=self._parts.pool.num_free,
            num_prompt_tokens=self._num_prompt_tokens,
            num_cached_tokens=self._num_cached_tokens,
            num_preemptions=self._scheduler.num_preemptions,
            is_compiled=form.library is not None,
            engine="torch",
            precision=form.precision,
            kernel=form.library.kernel if form.library else "",
        )

    def add(self, row: Row) -> None:
        self._rows[row.sequence] = row
        self._scheduler.waiting.add(row.sequence)

    def cancel(self, row: Row) -> None:
        """Forget a request wherever it is; nothing happens if it has ended."""
        self._scheduler.cancel(row.sequence)
        self._rows.pop(row.sequence, None)

    def become(self, parts: Parts) -> None:
        """Compute in another form from the next step on. Requests keep their tokens; what has been
        computed of them, other code would have computed otherwise, and it is computed again."""
        parts.bank.residents.adopt(self.bank.residents, parts.bank.encoder.convert)
        self._scheduler.move(parts.pool, parts.bank)
        self._parts = parts

    def drop(self, adapter: AdapterRef) -> int:
        """Forget an adapter as soon as no request uses it. Returns the bytes that it takes."""
        return self.bank.drop(adapter)

    def step(self) -> None:
        """Give every running request a token and compute a chunk of those that wait."""
        plan = self._scheduler.schedule()
        for sequence, error in plan.refused:
            self._rows.pop(sequence).emit(error)
        if not plan.chunks:
            return
        chunks = order(plan.chunks)
        logits = self._compute(chunks)
        complete = [chunk for chunk in chunks if chunk.is_last]
        for chunk in chunks:
            self._scheduler.advance(chunk)
        self._tell([self._rows[chunk.sequence] for chunk in complete], logits)

    def fail(self, error: ServingError) -> None:
        """End every request with an error; the batch can be used on."""
        rows = list(self._rows.values())
        self._rows.clear()
        try:
            self._scheduler.clear()
        finally:  # nobody waits for ever
            for row in rows:
                row.emit(error)

    def _compute(self, chunks: list[Chunk]) -> Any:
        decoder = self._parts.decoder
        step = build_step(
            chunks,
            lambda chunk: self.bank.granules(chunk.sequence.request.blend),
            decoder.dtype,
            decoder.device,
        )
        return decoder.forward(step, self._parts.cache, self.bank)

    def _tell(self, rows: list[Row], logits: Any) -> None:
        """Choose each row's next token; tell the listeners when all is in order again."""
        outcomes = [row.take(own) for row, own in zip(rows, _split(rows, logits), strict=True)]
        for row, outcome in zip(rows, outcomes, strict=True):
            if row.sequence.num_answered == 1:
                self._num_prompt_tokens += len(row.request.prompt_ids)
                self._num_cached_tokens += row.sequence.num_cached
            if isinstance(outcome, ServingError) or outcome.finish_reason is not None:
                self._scheduler.finish(row.sequence)
                del self._rows[row.sequence]
        for row, outcome in zip(rows, outcomes, strict=True):
            row.emit(outcome)


def _split(rows: list[Row], logits: Any) -> list[Any]:
    """Every row's logits, or the number of the best one where that is all it asks for. Where the
    best is no number, the sampler gets the logits, and refuses them."""
    if not rows:
        return []
    best = _best(logits)[:, None]
    are_numbers: list[bool] = logits.gather(1, best).isfinite().flatten().tolist()
    will_do = [
        is_number and row.sampler.is_plain_greedy
        for row, is_number in zip(rows, are_numbers, strict=True)
    ]
    best = best.flatten().tolist()
    if all(will_do):
        return best
    return [
        token_id if is_enough else own
        for is_enough, token_id, own in zip(will_do, best, logits.cpu(), strict=True)
    ]


def _best(logits: Any) -> Any:
    """[rows]; on a CPU numpy finds them in a seventh of the time."""
    import torch

    if logits.device.type == "cpu":
        return torch.from_numpy(logits.numpy().argmax(-1))
    return logits.argmax(-1)
