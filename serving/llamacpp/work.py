"""The requests on their way: who may compute, whose turn it is, and what is told."""

import logging
from collections import Counter
from collections.abc import Callable

from serving.adapters.residents import Residents
from serving.engine import AdapterRef, Blend, EngineStats
from serving.errors import EngineFailed, ServingError
from serving.requests.fair_queue import FairQueue
from serving.requests.row import Row
from serving.requests.sequence import BLOCK, Sequence

from .adapter import LoadedAdapter
from .lane import Lane
from .lanes import Lanes

logger = logging.getLogger(__name__)


class LlamaWork:
    """Belongs to the engine's thread. Knows nothing of llama.cpp but what `open_lane` makes."""

    def __init__(
        self,
        residents: Residents[LoadedAdapter],
        open_lane: Callable[[Blend, int], Lane],
        max_rows: int,
        max_cells: int,
        context_length: int,
    ) -> None:
        self.residents = residents
        self.lanes = Lanes(self._pinning(open_lane), self._close, max_cells, context_length)
        self._max_rows = max_rows
        self._waiting = FairQueue()
        self._rows: dict[Sequence, Row] = {}
        self._running: dict[Row, Lane] = {}
        self._num_prompt_tokens = 0
        self._num_cached_tokens = 0

    @property
    def is_idle(self) -> bool:
        return not self._rows

    def stats(self) -> EngineStats:
        num_blocks = max(self.lanes.max_cells, self.lanes.num_cells) // BLOCK
        return EngineStats(
            num_running=len(self._running),
            num_waiting=len(self._waiting),
            num_blocks=num_blocks,
            num_free_blocks=max(0, num_blocks - -(-self.lanes.num_promised // BLOCK)),
            num_prompt_tokens=self._num_prompt_tokens,
            num_cached_tokens=self._num_cached_tokens,
            is_compiled=True,
            engine="llama.cpp",
        )

    def add(self, row: Row) -> None:
        self._rows[row.sequence] = row
        self._waiting.add(row.sequence)

    def cancel(self, row: Row) -> None:
        """Forget a request wherever it is; nothing happens if it has ended."""
        if self._rows.pop(row.sequence, None) is not None:
            self._waiting.remove(row.sequence)
            self._leave(row)

    def drop(self, adapter: AdapterRef) -> int:
        """Forget an adapter as soon as no request uses it. Returns the bytes that it takes."""
        num_bytes = self.residents.drop(adapter)
        self.lanes.doom(adapter)
        return num_bytes

    def step(self) -> None:
        """Let in whom there is room for, then compute a step of the set whose turn it is."""
        self._admit()
        lane = self.lanes.next_turn()
        if lane is None:
            return
        try:
            outcomes = lane.step()
        except EngineFailed as error:
            self._fail_lane(lane, error)
            return
        for row, outcome in outcomes:
            if row.sequence.num_answered == 1:
                self._num_prompt_tokens += len(row.request.prompt_ids)
                self._num_cached_tokens += row.sequence.num_cached
            if isinstance(outcome, ServingError) or outcome.finish_reason is not None:
                del self._rows[row.sequence]
                self._leave(row)
            row.emit(outcome)

    def fail(self, error: ServingError) -> None:
        """End every request with an error, and every context: what it holds may be wrong."""
        rows = list(self._rows.values())
        self._rows.clear()
        self._running.clear()
        self._waiting.clear()
        try:
            self.lanes.clear()
        finally:  # nobody waits for ever
            for row in rows:
                row.emit(error)

    def _admit(self) -> None:
        running = Counter(row.sequence.tenant for row in self._running)
        while len(self._running) < self._max_rows:
            sequence = self._waiting.peek(running)
            if sequence is None:
                return
            row = self._rows[sequence]
            try:
                lane = self._lane_for(row)
            except ServingError as error:
                self._waiting.take(sequence)
                del self._rows[sequence]
                row.emit(error)
                continue
            if lane is None:  # nobody overtakes: whoever waits is next when others have ended
                return
            self._waiting.take(sequence)
            running[sequence.tenant] += 1
            self._running[row] = lane

    def _lane_for(self, row: Row) -> Lane | None:
        request = row.request
        need = len(request.prompt_ids) + request.sampling.max_tokens
        lane = self.lanes.find(request.blend, need)
        if lane is not None:
            lane.is_doomed = False
            for ref, _ in request.blend:
                self.residents.get(ref)  # it is asked for again, should it have been dropped
            lane.take(row, need)
        return lane

    def _leave(self, row: Row) -> None:
        lane = self._running.pop(row, None)
        if lane is not None:
            lane.release(row)
            self.lanes.end_doomed()
            while self.residents.total > self.residents.limit:  # open contexts hold adapters
                if not self.lanes.end_oldest(with_adapters=True):
                    break

    def _fail_lane(self, lane: Lane, error: EngineFailed) -> None:
        """One set's failure is not the others'."""
        logger.error("The requests of %s end: %s", _named(lane.blend), error)
        rows = list(lane.rows)
        lane.is_doomed = True
        for row in rows:
            del self._rows[row.sequence]
            self._leave(row)
        for row in rows:
            row.emit(error)

    def _pinning(self, open_lane: Callable[[Blend, int], Lane]) -> Callable[[Blend, int], Lane]:
        """An open context holds its adapters: freed under it, they would still be read."""

        def open_pinned(blend: Blend, num_cells: int) -> Lane:
            self.residents.pin(blend)
            try:
                return open_lane(blend, num_cells)
            except BaseException:
                self.residents.unpin(blend)
                raise

        return open_pinned

    def _close(self, lane: Lane) -> None:
        lane.close()
        self.residents.unpin(lane.blend)


def _named(blend: Blend) -> str:
    return "+".join(str(ref) for ref, _ in blend) or "the base"
