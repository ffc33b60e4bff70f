"""Keys and values of the running requests, one row each; the rows in use are always the first ones.

row 0  [ k k k k k . . . ]      length 5
row 1  [ k k . . . . . . ]      length 2
       |<-- capacity -->|       grows as the longest row needs
"""

from typing import Any

from .architecture import Architecture

GRANULE = 256  # [tokens] that capacity grows by


class KVCache:
    def __init__(self, architecture: Architecture, num_rows: int, dtype: Any, device: str) -> None:
        self.num_rows = num_rows
        self.capacity = 0  # [tokens] per row
        self._shape = (
            architecture.num_layers,
            2,
            num_rows,
            architecture.num_kv_heads,
            architecture.head_dim,
        )
        self._dtype = dtype
        self._device = device
        self._data: Any = None  # [layers, 2, rows, kv heads, capacity, head dim]

    def reserve(self, length: int) -> None:
        """Make room for rows of `length` tokens, keeping what is there."""
        if length <= self.capacity:
            return
        import torch

        capacity = -(-length // GRANULE) * GRANULE
        layers, two, rows, heads, dim = self._shape
        grown = torch.zeros(
            (layers, two, rows, heads, capacity, dim), dtype=self._dtype, device=self._device
        )
        if self._data is not None:
            grown[..., : self.capacity, :] = self._data
        self._data, self.capacity = grown, capacity

    def write_row(self, layer: int, row: int, start: int, keys: Any, values: Any) -> None:
        """Store a prompt's keys and values, each [kv heads, tokens, head dim]."""
        end = start + keys.shape[1]
        self._data[layer, 0, row, :, start:end] = keys
        self._data[layer, 1, row, :, start:end] = values

    def write_step(self, layer: int, positions: Any, keys: Any, values: Any) -> None:
        """Store one token for each of the first rows, each [rows, kv heads, head dim]."""
        import torch

        rows = torch.arange(len(positions), device=positions.device)
        self._data[layer, 0][rows, :, positions] = keys
        self._data[layer, 1][rows, :, positions] = values

    def read(self, layer: int, first: int, last: int, length: int) -> tuple[Any, Any]:
        """Rows `first` to before `last`: keys and values, [rows, kv heads, length, head dim]."""
        block = self._data[layer, :, first:last, :, :length]
        return block[0], block[1]

    def move_row(self, source: int, target: int, length: int) -> None:
        self._data[:, :, target, :, :length] = self._data[:, :, source, :, :length]

    def release(self) -> None:
        """Give all memory back; no row is in use."""
        self._data, self.capacity = None, 0
