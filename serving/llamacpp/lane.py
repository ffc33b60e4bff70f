"""The requests of one set of adapters, computed together in a context of their own."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from serving.engine import Blend, Delta
from serving.errors import ServingError
from serving.requests.row import Row

from .context import Piece
from .slots import SequenceMemory, Slot, Slots


class Context(SequenceMemory, Protocol):
    def decode(self, pieces: Sequence[Piece]) -> list[NDArray[np.float32] | None]: ...

    def close(self) -> None: ...


class Lane:
    def __init__(
        self,
        context: Context,
        blend: Blend,
        num_cells: int,
        max_rows: int,
        chunk_tokens: int,
        num_kept: int,
    ) -> None:
        self.blend = blend
        self.rows: dict[Row, Slot] = {}  # oldest first
        self.is_doomed = False  # to be closed once nobody computes here
        self.last_turn = 0
        self.slots = Slots(max_rows, num_cells, context, num_kept)
        self._context = context
        self._chunk_tokens = chunk_tokens  # of prompts, in one step

    def take(self, row: Row, need: int) -> None:
        """Let a request compute here; the slots have to be able to take it."""
        slot = self.slots.take(row.sequence.token_ids, need)
        row.sequence.num_cached = len(slot.token_ids)
        self.rows[row] = slot

    def release(self, row: Row) -> None:
        self.slots.release(self.rows.pop(row))

    def step(self) -> list[tuple[Row, Delta | ServingError]]:
        """Compute each request's next token, or a chunk of its prompt. Raises EngineFailed."""
        pieces = self._plan()
        logits = self._context.decode([piece for _, piece in pieces])
        outcomes: list[tuple[Row, Delta | ServingError]] = []
        for (row, piece), own in zip(pieces, logits, strict=True):
            self.rows[row].token_ids.extend(piece.token_ids)
            if own is not None:
                outcomes.append((row, row.take(own)))
        return outcomes

    def close(self) -> None:
        self._context.close()

    def _plan(self) -> list[tuple[Row, Piece]]:
        """A token of everybody who has begun, and of the oldest waiting prompts as much as fits."""
        budget, pieces = self._chunk_tokens, list[tuple[Row, Piece]]()
        for row, slot in self.rows.items():
            start, whole = len(slot.token_ids), row.sequence.token_ids
            num_missing = len(whole) - start
            count = 1 if num_missing == 1 else min(num_missing, budget)
            if count:
                budget -= 0 if num_missing == 1 else count
                tokens = whole[start : start + count]
                pieces.append((row, Piece(slot.number, start, tokens, count == num_missing)))
        return pieces
