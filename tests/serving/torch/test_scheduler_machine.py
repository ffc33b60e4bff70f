"""Nobody finds what is not theirs, and everything comes back, after anything that can happen."""

from itertools import combinations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from serving.engine import AdapterRef, Blend
from serving.errors import AdapterRefused
from serving.requests.sequence import BLOCK, Sequence
from serving.torch.scheduler import StepPlan
from tests.serving.rehearsal import REFS, Rehearsal

# Prompts begin alike for a block and a half, or altogether differently.
TEXTS = [[1] * 24 + [2] * 66, [1] * 24 + [3] * 66, [4] * 90]
MAX_ROWS = 4
A: Blend = ((REFS[0], 1.0),)  # asked for more often than others
REMEMBERED = 24  # sequences that are asked whether what they would find is theirs

prompts = st.builds(
    lambda text, length, tail: [*text[:length], *tail],
    st.sampled_from(TEXTS),
    st.sampled_from([17, 1, 15, 16, 20, 23, 33, 48]),
    st.lists(st.integers(1, 2), max_size=2),
)
refs = st.sampled_from(REFS)
pairs = st.tuples(refs, st.sampled_from([0.5, 1.0]))
blends = st.just(A) | st.lists(pairs, max_size=2, unique_by=lambda pair: pair[0]).map(tuple)
lengths = st.sampled_from([20, 40, 10, 1])  # of answers
indices = st.integers(0, 7)


class SchedulerMachine(RuleBasedStateMachine):
    """Two versions of each of four adapters come and go in a pool that is too small."""

    @initialize(
        num_blocks=st.sampled_from([8, 6, 5, 4]),
        max_rows=st.sampled_from([4, 3, 2]),
        chunk_tokens=st.sampled_from([64, 40, 17, 7]),
        num_granules=st.sampled_from([8, 4, 1]),
        limit=st.integers(0, 4),
    )
    def build(
        self, num_blocks: int, max_rows: int, chunk_tokens: int, num_granules: int, limit: int
    ) -> None:
        self.max_rows = max_rows
        self.chunk_tokens = chunk_tokens
        self.rehearsal = Rehearsal(num_blocks, max_rows, chunk_tokens, num_granules, limit)
        self.seen: list[Sequence] = []
        self.found_at_first: dict[Sequence, int] = {}

    @rule(requests=st.lists(st.tuples(prompts, blends, lengths), min_size=2, max_size=4))
    def submit(self, requests: list[tuple[list[int], Blend, int]]) -> None:
        for prompt, blend, max_tokens in requests:
            self._submit(prompt, blend, max_tokens)

    @precondition(lambda self: self.seen)
    @rule(index=indices, blend=st.none() | blends, max_tokens=lengths)
    def submit_the_next_turn(self, index: int, blend: Blend | None, max_tokens: int) -> None:
        """Of the same conversation, with the same adapters or others."""
        earlier = self.seen[index % len(self.seen)]
        kept = earlier.request.blend if blend is None else blend
        self._submit([*earlier.token_ids, 5], kept, max_tokens)

    def _submit(self, prompt: list[int], blend: Blend, max_tokens: int) -> None:
        room = self.rehearsal.pool.num_blocks * BLOCK
        sequence = self.rehearsal.submit(prompt[: room - max_tokens], blend, max_tokens)
        self.seen = [sequence, *self.seen[: REMEMBERED - 1]]

    @precondition(lambda self: self.rehearsal.live)
    @rule(token_ids=st.lists(st.integers(0, 40), min_size=MAX_ROWS, max_size=MAX_ROWS))
    def step(self, token_ids: list[int]) -> None:
        plan = self._schedule()
        self.rehearsal.compute(plan, iter(min(token_id, 1) for token_id in token_ids))

    @precondition(lambda self: self.rehearsal.live)
    @rule(count=st.integers(2, 10))
    def take_several_steps(self, count: int) -> None:
        for _ in range(count):
            self.step([1] * MAX_ROWS)

    @precondition(lambda self: len(self.rehearsal.running) > 1)
    @rule(index=indices)
    def fail(self, index: int) -> None:
        """A step breaks off when some of it has been written."""
        plan = self._schedule()
        for chunk in plan.chunks[:index]:
            self.rehearsal.notes.spoil(chunk)
        self.rehearsal.clear()
        for sequence in self.seen:
            assert self.rehearsal.pool.find(sequence.prefix_digests) == []

    @precondition(lambda self: self.rehearsal.live)
    @rule(index=indices)
    def cancel(self, index: int) -> None:
        self.rehearsal.cancel(self.rehearsal.live[index % len(self.rehearsal.live)])

    @precondition(lambda self: self.rehearsal.running)
    @rule()
    def move(self) -> None:
        order = [*self.rehearsal.running, *self.rehearsal.waiting]
        self.rehearsal.move()
        assert self.rehearsal.waiting == order
        assert not self.rehearsal.running

    @rule(ref=refs, action=st.sampled_from(["load", "unload", "damage", "mend"]))
    def change_an_adapter(self, ref: AdapterRef, action: str) -> None:
        places = self.rehearsal.places
        if action == "load" and ref not in places.damaged:
            places.residents.get(ref)
        elif action == "unload":
            places.drop(ref)
        elif action == "damage":
            places.damaged[ref] = AdapterRefused("damaged")
        elif action == "mend":
            places.damaged.clear()

    def _schedule(self) -> StepPlan:
        rehearsal = self.rehearsal
        before = list(rehearsal.running)
        num_live = len(rehearsal.live)
        num_preemptions = rehearsal.scheduler.num_preemptions
        plan = rehearsal.schedule()
        assert plan.chunks or plan.refused or not num_live
        assert len(rehearsal.running) <= self.max_rows
        self._check_rows(plan, before)
        if rehearsal.scheduler.num_preemptions > num_preemptions:
            assert set(rehearsal.running) < set(before)
        check_sharing(rehearsal.running)
        check_writes(plan, rehearsal.running)
        for chunk in plan.chunks:
            self.found_at_first.setdefault(chunk.sequence, chunk.start)
        return plan

    def _check_rows(self, plan: StepPlan, before: list[Sequence]) -> None:
        """Every decoding row is there once, and prompts take no more than the budget."""
        sequences = [chunk.sequence for chunk in plan.chunks]
        running = self.rehearsal.running
        assert len(set(sequences)) == len(sequences)
        decoding = [row for row in running if row in before and row.num_missing == 1]
        assert set(decoding) <= set(sequences) <= set(running)
        counts = [chunk.count for chunk in plan.chunks if chunk.sequence not in decoding]
        assert sum(counts) <= self.chunk_tokens
        for chunk in plan.chunks:
            assert 0 < chunk.count <= chunk.sequence.num_missing
            assert chunk.end <= len(chunk.sequence.blocks) * BLOCK

    @invariant()
    def nothing_is_lost_and_nothing_held_for_nobody(self) -> None:
        self.rehearsal.check()

    @invariant()
    def what_a_prefix_promises_is_there(self) -> None:
        for sequence in self.seen:
            found = self.rehearsal.pool.find(sequence.prefix_digests)
            assert self.rehearsal.notes.agree(sequence, found, len(found) * BLOCK)

    @invariant()
    def what_was_found_at_first_is_what_is_reported(self) -> None:
        for sequence, num_cached in self.found_at_first.items():
            assert sequence.num_cached == num_cached

    def teardown(self) -> None:
        """Whoever is left finishes, and then all places are free."""
        if not hasattr(self, "rehearsal"):
            return
        rehearsal = self.rehearsal
        rehearsal.run()
        rehearsal.check()
        assert rehearsal.pool.num_free == rehearsal.pool.num_blocks
        for ref in REFS:
            rehearsal.places.drop(ref)
        assert (rehearsal.places.table.idle(), len(rehearsal.places.residents)) == ([], 0)
        assert rehearsal.places.table.can_place({"all": rehearsal.places.table.capacity})


def check_sharing(running: list[Sequence]) -> None:
    """Blocks that two sequences hold are full, and stand for the same tokens and adapters."""
    for one, other in combinations(running, 2):
        shared = set(one.blocks) & set(other.blocks)
        end = len(shared) * BLOCK
        assert one.blocks[: len(shared)] == other.blocks[: len(shared)]
        assert set(one.blocks[: len(shared)]) == shared
        assert end <= min(one.num_computed, other.num_computed)
        if shared:
            assert set(one.request.blend) == set(other.request.blend)
            assert one.token_ids[:end] == other.token_ids[:end]


def check_writes(plan: StepPlan, running: list[Sequence]) -> None:
    """What a step writes to, nobody else holds."""
    for chunk in plan.chunks:
        written = chunk.sequence.blocks[chunk.start // BLOCK : -(-chunk.end // BLOCK)]
        others = [row for row in running if row is not chunk.sequence]
        assert all(set(written).isdisjoint(row.blocks) for row in others)


TestSchedulerMachine = SchedulerMachine.TestCase
TestSchedulerMachine.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)


class LongSchedulerMachine(SchedulerMachine):
    """Finds what takes a rare coincidence."""


TestLongSchedulerMachine = pytest.mark.slow(pytest.mark.timeout(900)(LongSchedulerMachine.TestCase))
TestLongSchedulerMachine.settings = settings(
    max_examples=600, stateful_step_count=80, deadline=None
)
