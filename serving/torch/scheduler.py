"""What the next step computes: every running row's next token and a chunk of waiting prompts.

Imports no torch: blocks, rows and turns are numbers here.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from serving.engine import Blend
from serving.errors import ServingError
from serving.requests.fair_queue import FairQueue
from serving.requests.sequence import BLOCK, Sequence, num_blocks_for

from .blocks import BlockPool


class AdapterPlaces(Protocol):
    """Where the adapters of running sequences are held."""

    def can_hold(self, blend: Blend) -> bool: ...

    def hold(self, blend: Blend) -> None:
        """Raises ServingError where one of them cannot be loaded; nothing is held then."""
        ...

    def release(self, blend: Blend) -> None: ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """`count` tokens of a sequence, from its first missing one."""

    sequence: Sequence
    count: int

    @property
    def start(self) -> int:
        return self.sequence.num_computed

    @property
    def end(self) -> int:
        return self.start + self.count

    @property
    def is_last(self) -> bool:
        """Whether the next token can be chosen after it."""
        return self.count == self.sequence.num_missing


@dataclass(slots=True)
class StepPlan:
    """One step; `refused` are sequences that ended before their first."""

    chunks: list[Chunk] = field(default_factory=list)
    refused: list[tuple[Sequence, ServingError]] = field(default_factory=list)


class Scheduler:
    """Owns who waits and who runs; asks the pool for blocks and `places` for adapters."""

    def __init__(
        self, pool: BlockPool, places: AdapterPlaces, max_rows: int, chunk_tokens: int
    ) -> None:
        self.waiting = FairQueue()
        self.running: list[Sequence] = []  # oldest first
        self.num_preemptions = 0
        self._pool = pool
        self._places = places
        self._max_rows = max_rows
        self._chunk_tokens = chunk_tokens  # of prompts, in one step

    def schedule(self) -> StepPlan:
        """Plan a step and take what it needs; `advance` it when it has been computed."""
        plan = StepPlan()
        budget = self._chunk_tokens
        num_preemptions = self.num_preemptions
        for sequence in list(self.running):
            is_decoding = sequence.num_missing == 1
            count = 1 if is_decoding else min(sequence.num_missing, budget)
            if count and self._reserve(sequence, count):
                plan.chunks.append(Chunk(sequence, count))
                budget -= 0 if is_decoding else count
        if num_preemptions == self.num_preemptions:
            self._admit(plan, budget)
        return plan

    def advance(self, chunk: Chunk) -> None:
        """Its tokens have been computed: full blocks can be found by others from now on."""
        sequence, end = chunk.sequence, chunk.end
        for index in range(chunk.start // BLOCK, end // BLOCK):
            self._pool.remember(sequence.blocks[index], sequence.digest(index))
        sequence.num_computed = end

    def finish(self, sequence: Sequence) -> None:
        """Give back all that a running sequence holds."""
        self.running.remove(sequence)
        self._let_go(sequence)

    def cancel(self, sequence: Sequence) -> None:
        """Forget a sequence wherever it is; nothing happens if it has ended."""
        if not self.waiting.remove(sequence) and sequence in self.running:
            self.finish(sequence)

    def move(self, pool: BlockPool, places: AdapterPlaces) -> None:
        """Go on with other blocks and adapters; those that run wait to be computed anew."""
        for sequence in reversed(self.running.copy()):
            self._set_aside(sequence)
        self._pool, self._places = pool, places

    def clear(self) -> None:
        """Forget all sequences, and all prefixes."""
        for sequence in list(self.running):
            self.finish(sequence)
        self.waiting.clear()
        self._pool.forget_all()

    def _reserve(self, sequence: Sequence, count: int) -> bool:
        """Take the blocks for `count` more tokens, from the youngest if need be; False if the
        sequence was itself the youngest."""
        needed = num_blocks_for(sequence.num_computed + count)
        while sequence in self.running:
            if needed - len(sequence.blocks) <= self._pool.num_free:
                while len(sequence.blocks) < needed:
                    sequence.blocks.append(self._pool.take())
                return True
            self._preempt(self.running[-1])
        return False

    def _preempt(self, sequence: Sequence) -> None:
        self._set_aside(sequence)
        self.num_preemptions += 1

    def _set_aside(self, sequence: Sequence) -> None:
        """Take everything back; its tokens are kept and computed again, in its next turn."""
        self.finish(sequence)
        sequence.was_preempted = True
        self.waiting.put_back(sequence)

    def _let_go(self, sequence: Sequence) -> None:
        self._pool.release(sequence.blocks)
        sequence.blocks = []
        sequence.num_computed = 0
        self._places.release(sequence.request.blend)

    def _admit(self, plan: StepPlan, budget: int) -> None:
        running = Counter(sequence.tenant for sequence in self.running)
        while budget > 0 and len(self.running) < self._max_rows:
            sequence = self.waiting.peek(running)
            if sequence is None or not self._places.can_hold(sequence.request.blend):
                return
            cached = self._pool.find(sequence.prefix_digests)
            missing = num_blocks_for(len(sequence.token_ids)) - len(cached)
            if missing > self._pool.num_free_without(cached):
                return
            self.waiting.take(sequence)
            try:
                self._places.hold(sequence.request.blend)
            except ServingError as error:
                plan.refused.append((sequence, error))
                continue
            self._start(sequence, cached)
            running[sequence.tenant] += 1
            chunk = Chunk(sequence, min(sequence.num_missing, budget))
            self._reserve(sequence, chunk.count)
            plan.chunks.append(chunk)
            budget -= chunk.count

    def _start(self, sequence: Sequence, cached: list[int]) -> None:
        self._pool.hold(cached)
        sequence.blocks = cached
        sequence.num_computed = len(cached) * BLOCK
        if not sequence.was_preempted:
            sequence.num_cached = sequence.num_computed
        self.running.append(sequence)
