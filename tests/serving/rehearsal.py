"""Scheduling without a model: adapters are only sizes, and of the cache there are only notes."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path

from serving.adapters.residents import Residents
from serving.engine import AdapterRef, Blend, Request, Sampling
from serving.errors import AdapterRefused
from serving.requests.sequence import BLOCK
from serving.requests.sequence import Sequence as Row
from serving.torch.blocks import BlockPool
from serving.torch.granules import GranuleTable
from serving.torch.scheduler import Chunk, Scheduler, StepPlan

END = 0  # a token that ends the answer
NUM_GRANULES = {"a": 1, "b": 1, "c": 2, "d": 3}
Entry = tuple[list[tuple[str, float]], tuple[int, ...]]


def make_ref(name: str, version: str = "1") -> AdapterRef:
    return AdapterRef(name, version, f"sha-{name}-{version}", Path(name))


REFS = [make_ref(name, version) for name in NUM_GRANULES for version in ("1", "2")]


def alone(name: str, version: str = "1") -> Blend:
    return ((make_ref(name, version), 1.0),)


def make_sequence(prompt: Iterable[int], blend: Blend = (), max_tokens: int = 8) -> Row:
    return Row(Request("", tuple(prompt), (END,), blend, Sampling(max_tokens=max_tokens)))


class Places:
    """Holds adapters as the bank does; an adapter's weights are how many granules it takes."""

    def __init__(self, num_granules: int, limit: int) -> None:
        self.table = GranuleTable(num_granules)
        self.residents: Residents[int] = Residents(self._load, limit)
        self.damaged: dict[AdapterRef, Exception] = {}

    def can_hold(self, blend: Blend) -> bool:
        try:
            sizes = {ref.sha256: self.residents.get(ref) for ref, _ in blend}
        except AdapterRefused:
            return True
        self.table.grow(sum(sizes.values()))
        return self.table.can_place(sizes)

    def hold(self, blend: Blend) -> None:
        self.residents.pin(blend)
        for ref, _ in blend:
            self.table.hold(ref.sha256, self.residents[ref.sha256])

    def release(self, blend: Blend) -> None:
        for ref, _ in blend:
            self.table.release(ref.sha256)
        self.residents.unpin(blend)
        self._forget_gone()

    def drop(self, ref: AdapterRef) -> None:
        self.residents.drop(ref)
        self._forget_gone()

    def granules(self, ref: AdapterRef) -> tuple[int, ...]:
        """Where an adapter is that is held; its own weights are there, or the test fails."""
        granules = self.table[ref.sha256]
        assert len(granules) == self.residents[ref.sha256]
        placed = [granule for key in self.table for granule in self.table[key]]
        assert len(placed) == len(set(placed))
        return granules

    def _forget_gone(self) -> None:
        for key in self.table.idle():
            if key not in self.residents:
                self.table.evict(key)

    def _load(self, ref: AdapterRef) -> int:
        if ref in self.damaged:
            raise self.damaged[ref]
        return NUM_GRANULES.get(ref.name, 1)


class Notes:
    """What keys and values in every slot were computed from: adapters, and all tokens so far."""

    def __init__(self, num_blocks: int) -> None:
        self._slots: list[Entry | None] = [None] * (num_blocks * BLOCK)

    def write(self, chunk: Chunk) -> None:
        for position in range(chunk.start, chunk.end):
            slot = chunk.sequence.blocks[position // BLOCK] * BLOCK + position % BLOCK
            self._slots[slot] = _entry(chunk.sequence, position)

    def spoil(self, chunk: Chunk) -> None:
        """Write what no sequence wants, as a step does that fails halfway."""
        for block in chunk.sequence.blocks[chunk.start // BLOCK :]:
            self._slots[block * BLOCK : (block + 1) * BLOCK] = [None] * BLOCK

    def agree(self, sequence: Row, blocks: Sequence[int], num_tokens: int) -> bool:
        """Whether a sequence's first tokens are what is in these blocks."""
        return all(
            self._slots[blocks[position // BLOCK] * BLOCK + position % BLOCK]
            == _entry(sequence, position)
            for position in range(num_tokens)
        )


def _entry(sequence: Row, position: int) -> Entry:
    adapters = sorted((ref.sha256, scale) for ref, scale in sequence.request.blend)
    return adapters, tuple(sequence.token_ids[: position + 1])


class Rehearsal:
    """Schedules and notes as the batch schedules and computes."""

    def __init__(
        self,
        num_blocks: int = 32,
        max_rows: int = 4,
        chunk_tokens: int = 64,
        num_granules: int = 8,
        limit: int = 8,
    ) -> None:
        self.pool = BlockPool(num_blocks)
        self.places = Places(num_granules, limit)
        self.scheduler = Scheduler(self.pool, self.places, max_rows, chunk_tokens)
        self.notes = Notes(num_blocks)
        self.live: list[Row] = []
        self.refused: list[Row] = []

    @property
    def waiting(self) -> list[Row]:
        return list(self.scheduler.waiting)

    @property
    def running(self) -> list[Row]:
        return self.scheduler.running

    def submit(self, prompt: Iterable[int], blend: Blend = (), max_tokens: int = 8) -> Row:
        sequence = make_sequence(prompt, blend, max_tokens)
        self.live.append(sequence)
        self.scheduler.waiting.add(sequence)
        return sequence

    def schedule(self) -> StepPlan:
        plan = self.scheduler.schedule()
        for sequence, _ in plan.refused:
            self.live.remove(sequence)
            self.refused.append(sequence)
        return plan

    def compute(self, plan: StepPlan, token_ids: Iterator[int]) -> None:
        for chunk in plan.chunks:
            self.notes.write(chunk)
        for chunk in plan.chunks:
            assert self.notes.agree(chunk.sequence, chunk.sequence.blocks, chunk.end)
        complete = [chunk.sequence for chunk in plan.chunks if chunk.is_last]
        for chunk in plan.chunks:
            self.scheduler.advance(chunk)
        for sequence in complete:
            self._answer(sequence, next(token_ids))

    def step(self, token_id: int = 1) -> list[tuple[Row, int]]:
        """Take a step in which every complete row is answered with a token; who computed how
        many."""
        plan = self.schedule()
        self.compute(plan, repeat(token_id))
        return [(chunk.sequence, chunk.count) for chunk in plan.chunks]

    def run(self) -> None:
        """Take steps until everybody has got an answer; each of them computes something."""
        while self.live:
            num_live = len(self.live)
            assert self.step() or len(self.live) < num_live

    def cancel(self, sequence: Row) -> None:
        self.live.remove(sequence)
        self.scheduler.cancel(sequence)

    def move(self) -> None:
        """Go on in other blocks, with what is in memory; nothing is left in the old ones."""
        old_pool, old_places = self.pool, self.places
        self.pool = BlockPool(old_pool.num_blocks)
        self.places = Places(old_places.table.capacity, old_places.residents.limit)
        self.places.damaged = old_places.damaged
        self.places.residents.adopt(old_places.residents, lambda weights: weights)
        self.scheduler.move(self.pool, self.places)
        self.notes = Notes(self.pool.num_blocks)
        assert old_pool.num_free == old_pool.num_blocks
        assert not any(old_places.table.num_uses(ref.sha256) for ref in REFS)

    def clear(self) -> None:
        self.live.clear()
        self.scheduler.clear()

    def _answer(self, sequence: Row, token_id: int) -> None:
        sequence.token_ids.append(token_id)
        if token_id == END or sequence.num_answered == sequence.request.sampling.max_tokens:
            self.live.remove(sequence)
            self.scheduler.finish(sequence)

    def check(self) -> None:
        """Nothing is lost, and nothing is held but by those who run."""
        assert Counter(self.live) == Counter([*self.running, *self.waiting])
        for sequence in self.waiting:
            assert (sequence.blocks, sequence.num_computed) == ([], 0)
        self._check_blocks()
        self._check_adapters()

    def _check_blocks(self) -> None:
        held = {block for sequence in self.running for block in sequence.blocks}
        assert self.pool.num_free + len(held) == self.pool.num_blocks
        assert self.pool.num_free_without(held) == self.pool.num_free  # none of them is free
        for sequence in self.running:
            assert self.notes.agree(sequence, sequence.blocks, sequence.num_computed)

    def _check_adapters(self) -> None:
        uses = Counter(ref for sequence in self.running for ref, _ in sequence.request.blend)
        for ref in REFS:
            assert self.places.table.num_uses(ref.sha256) == uses[ref]
            assert self.places.residents.num_uses(ref.sha256) == uses[ref]
        granules = [granule for ref in uses for granule in self.places.granules(ref)]
        assert len(granules) == len(set(granules))
