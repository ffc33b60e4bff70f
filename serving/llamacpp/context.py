"""One llama.cpp context: sequences of tokens, computed together with one set of adapters."""

import ctypes
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.errors import EngineFailed

from .threads import ThreadChoice


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens that follow on those which a sequence has."""

    sequence: int
    start: int  # position of the first one
    token_ids: Sequence[int]
    wants_logits: bool  # after the last one


class LlamaContext:
    """Belongs to the engine's thread. Nothing of it may be used once it has been closed."""

    def __init__(
        self,
        functions: Any,
        pointer: Any,
        num_batch: int,
        vocab_size: int,
        threads: ThreadChoice,
        free_threads: Callable[[], int],
        *,
        remembers_all: bool,  # False with sliding windows: what has left them is overwritten
    ) -> None:
        self.remembers_all = remembers_all
        self._functions = functions
        self._pointer = pointer
        self._memory = functions.llama_get_memory(pointer)
        self._vocab_size = vocab_size
        self._threads = threads
        self._free_threads = free_threads
        self._batch = _Batch(functions, num_batch)

    def decode(self, pieces: Sequence[Piece]) -> list[NDArray[np.float32] | None]:
        """Compute all pieces; for each the logits [vocab] where they are wanted, valid until the
        next call. Raises EngineFailed."""
        ends = self._batch.fill(pieces)
        self._compute()
        return [
            self._logits(end) if piece.wants_logits else None
            for piece, end in zip(pieces, ends, strict=True)
        ]

    def forget(self, sequence: int, start: int) -> None:
        """Drop a sequence's tokens from a position on."""
        self._functions.llama_memory_seq_rm(self._memory, sequence, start, -1)

    def copy(self, source: int, target: int, end: int) -> None:
        """Let an empty sequence begin with another one's first `end` tokens. Takes no memory."""
        self._functions.llama_memory_seq_cp(self._memory, source, target, 0, end)

    def close(self) -> None:
        self._functions.llama_free(self._pointer)

    def _compute(self) -> None:
        threads = self._threads
        threads.free = self._free_threads()
        self._functions.llama_set_n_threads(
            self._pointer, threads.count, min(threads.most, threads.free)
        )
        started = time.perf_counter()
        code = self._functions.llama_decode(self._pointer, self._batch.struct)
        if code != 0:
            raise EngineFailed(f"llama.cpp could not compute this step (code {code}).")
        if self._batch.struct.n_tokens == 1:
            threads.note(time.perf_counter() - started)

    def _logits(self, index: int) -> NDArray[np.float32]:
        found = self._functions.llama_get_logits_ith(self._pointer, index)
        if not found:
            raise EngineFailed("llama.cpp computed no logits.")
        return np.ctypeslib.as_array(found, (self._vocab_size,))


class _Batch:
    """`llama_batch` over arrays of our own: a whole prompt is written at once."""

    def __init__(self, functions: Any, size: int) -> None:
        self._tokens = np.zeros(size, np.int32)
        self._positions = np.zeros(size, np.int32)
        self._counts = np.ones(size, np.int32)  # of a token's sequences
        self._sequences = np.zeros(size, np.int32)
        self._outputs = np.zeros(size, np.int8)
        first = self._sequences.ctypes.data
        whole = ctypes.POINTER(ctypes.c_int32)
        self._places = (whole * size)(
            *(ctypes.cast(first + 4 * index, whole) for index in range(size))
        )
        self.struct = functions.llama_batch()
        self.struct.token = self._tokens.ctypes.data_as(whole)
        self.struct.pos = self._positions.ctypes.data_as(whole)
        self.struct.n_seq_id = self._counts.ctypes.data_as(whole)
        self.struct.seq_id = self._places
        self.struct.logits = self._outputs.ctypes.data_as(ctypes.POINTER(ctypes.c_int8))

    def fill(self, pieces: Sequence[Piece]) -> list[int]:
        """Write the pieces one behind the other; returns where the last token of each is."""
        at, ends = 0, list[int]()
        for piece in pieces:
            end = at + len(piece.token_ids)
            self._tokens[at:end] = piece.token_ids
            self._positions[at:end] = np.arange(piece.start, piece.start + end - at)
            self._sequences[at:end] = piece.sequence
            self._outputs[at:end] = 0
            self._outputs[end - 1] = piece.wants_logits
            ends.append(end - 1)
            at = end
        self.struct.n_tokens = at
        return ends
