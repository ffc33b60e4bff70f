"""The requests being computed: who waits, who runs in which row, and what one step does."""

from collections import deque
from collections.abc import Callable
from typing import Any

from .decoder import Decoder
from .engine import AdapterRef, Blend, Delta, FinishReason, Request
from .errors import ServingError
from .kv_cache import KVCache
from .lora_stack import LoraStack
from .lora_weights import LoraWeights, load_lora
from .residents import Residents
from .sampler import Sampler
from .text_stream import TextStream

KEPT_STACKS = 4


class Row:
    """One request on its way."""

    def __init__(
        self, request: Request, tokenizer: Any, emit: Callable[[Delta | ServingError], None]
    ) -> None:
        self.request = request
        self.emit = emit
        self.sampler = Sampler(request.sampling, request.prompt_ids)
        self.answer_ids: list[int] = []
        self._text = TextStream(tokenizer, request.sampling.stop)

    @property
    def length(self) -> int:
        """Tokens whose keys and values are in the cache: the newest one's are not yet."""
        return len(self.request.prompt_ids) + len(self.answer_ids) - 1

    def advance(self, logits: Any) -> Delta:
        """Choose the next token; what is returned is to be emitted once the batch is in order."""
        token_id = self.sampler.pick(logits)
        self.answer_ids.append(token_id)
        sampling = self.request.sampling
        reason: FinishReason | None = None
        if token_id in self.request.end_ids and not sampling.ignore_eos:
            text, reason = self._text.finish(), "stop"
        else:
            text = self._text.push(token_id)
            if self._text.is_stopped:
                reason = "stop"
            elif len(self.answer_ids) >= sampling.max_tokens:
                text += self._text.finish()
                reason = "stop" if self._text.is_stopped else "length"
        return Delta((token_id,), text, reason)


class Batch:
    """Owns waiting and running requests, the cache rows and the adapters in memory.

    All its methods belong into one `torch.inference_mode`: what a step writes, another moves.
    """

    def __init__(self, decoder: Decoder, max_rows: int, max_residents: int) -> None:
        self.waiting: deque[Row] = deque()
        self.running: list[Row] = []  # running[i] is in the cache's row i
        self.residents: Residents[LoraWeights] = Residents(
            lambda ref: load_lora(ref, decoder.architecture, decoder.dtype, decoder.device),
            max_residents,
        )
        self._decoder = decoder
        self._max_rows = max_rows
        self._cache = KVCache(decoder.architecture, max_rows, decoder.dtype, decoder.device)
        self._stacks: dict[tuple[str, ...], LoraStack] = {}

    @property
    def is_idle(self) -> bool:
        return not self.waiting and not self.running

    def add(self, row: Row) -> None:
        self.waiting.append(row)

    def cancel(self, row: Row) -> None:
        """Forget a request wherever it is; nothing happens if it has ended."""
        if row in self.waiting:
            self.waiting.remove(row)
        elif row in self.running:
            self._leave(self.running.index(row))

    def drop(self, adapter: AdapterRef) -> None:
        """Forget an adapter as soon as no request uses it."""
        self.residents.drop(adapter)
        self._forget_stacks()

    def step(self) -> None:
        """Admit one waiting request, if there is room, and give every running one a token."""
        num_running = len(self.running)
        if self.waiting and num_running < self._max_rows:
            self._admit(self.waiting.popleft())
        if num_running:
            self._decode(num_running)

    def fail(self, error: ServingError) -> None:
        """End every request, running or waiting, with an error; the batch can be used on."""
        for row in [*self.running, *self.waiting]:
            row.emit(error)
        for row in self.running:
            self.residents.unpin(row.request.blend)
        self._forget_stacks()
        self.running.clear()
        self.waiting.clear()
        self._cache.release()

    def _admit(self, row: Row) -> None:
        import torch

        blend = row.request.blend
        try:
            self.residents.pin(blend)
        except ServingError as error:
            row.emit(error)
            return
        self.running.append(row)
        prompt = torch.tensor(row.request.prompt_ids, device=self._decoder.device)
        self._cache.reserve(len(prompt) + 1)
        stack = self._stack([blend])
        mask = stack.mask([blend]) if stack else None
        logits = self._decoder.prefill(prompt, self._cache, len(self.running) - 1, stack, mask)
        delta = row.advance(logits)
        if delta.finish_reason is not None:
            self._leave(len(self.running) - 1)
        row.emit(delta)

    def _decode(self, num_rows: int) -> None:
        """One step of the first rows; a row admitted in this step has had its token already."""
        import torch

        rows = self.running[:num_rows]
        device = self._decoder.device
        token_ids = torch.tensor([row.answer_ids[-1] for row in rows], device=device)
        positions = torch.tensor([row.length for row in rows], device=device)
        self._cache.reserve(max(row.length for row in rows) + 1)
        blends = [row.request.blend for row in rows]
        stack = self._stack(blends)
        mask = stack.mask(blends) if stack else None
        logits = self._decoder.decode(token_ids, positions, self._cache, stack, mask)
        deltas = [row.advance(logits[number]) for number, row in enumerate(rows)]
        for number in reversed(range(num_rows)):
            if deltas[number].finish_reason is not None:
                self._leave(number)
        for row, delta in zip(rows, deltas, strict=True):
            row.emit(delta)

    def _leave(self, number: int) -> None:
        """Take a request out of its row; the last row moves into the gap."""
        row = self.running[number]
        last = self.running.pop()
        if last is not row:
            self._cache.move_row(len(self.running), number, last.length)
            self.running[number] = last
        self.residents.unpin(row.request.blend)
        self._forget_stacks()
        if not self.running:
            self._cache.release()

    def _forget_stacks(self) -> None:
        """A stack holds copies: it goes with the first of its adapters that leaves memory."""
        self._stacks = {
            key: stack
            for key, stack in self._stacks.items()
            if all(sha256 in self.residents for sha256 in key)
        }

    def _stack(self, blends: list[Blend]) -> LoraStack | None:
        """The adapters of these requests, stacked; kept for the next steps with the same ones."""
        refs = {ref.sha256: ref for blend in blends for ref, _ in blend}
        key = tuple(sorted(refs))
        if not key:
            return None
        stack = self._stacks.pop(key, None)
        if stack is None:
            adapters = [(sha256, self.residents.pinned(refs[sha256])) for sha256 in key]
            stack = LoraStack(adapters, self._decoder.architecture)
        self._stacks[key] = stack
        while len(self._stacks) > KEPT_STACKS:
            del self._stacks[next(iter(self._stacks))]
        return stack
