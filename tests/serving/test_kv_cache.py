"""Keys and values of rows of different lengths, on a cache small enough to look at."""

from typing import Any

import pytest
import torch

from serving.architecture import Architecture
from serving.kv_cache import GRANULE, KVCache

LAYERS, HEADS, DIM, ROWS = 2, 3, 4, 3
SHAPE = Architecture(
    config=None,
    num_layers=LAYERS,
    hidden_size=24,
    intermediate_size=32,
    num_heads=6,
    num_kv_heads=HEADS,
    head_dim=DIM,
    vocab_size=10,
    norm_eps=1e-5,
    context_length=2048,
    tied_embeddings=False,
)


def make_values(length: int, seed: int) -> Any:
    """Keys and values of every layer: [layers, 2, kv heads, length, head dim]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(LAYERS, 2, HEADS, length, DIM, generator=generator)


@pytest.fixture
def cache() -> KVCache:
    return KVCache(SHAPE, ROWS, torch.float32, "cpu")


def write(cache: KVCache, row: int, values: Any, start: int = 0) -> None:
    cache.reserve(start + values.shape[3])
    for layer in range(LAYERS):
        cache.write_row(layer, row, start, values[layer, 0], values[layer, 1])


def holds(cache: KVCache, row: int, values: Any) -> bool:
    found = [cache.read(layer, row, row + 1, values.shape[3]) for layer in range(LAYERS)]
    return all(
        torch.equal(keys[0], values[layer, 0]) and torch.equal(vals[0], values[layer, 1])
        for layer, (keys, vals) in enumerate(found)
    )


def test_rows_keep_what_was_written(cache: KVCache):
    first, second = make_values(5, 1), make_values(2, 2)
    write(cache, 0, first)
    write(cache, 1, second)
    assert holds(cache, 0, first)
    assert holds(cache, 1, second)


def test_a_prompt_can_be_written_in_parts(cache: KVCache):
    whole = make_values(6, 1)
    write(cache, 0, whole[:, :, :, :4])
    write(cache, 0, whole[:, :, :, 4:], start=4)
    assert holds(cache, 0, whole)


def test_a_step_adds_one_token_to_each_of_the_first_rows(cache: KVCache):
    first, second, third = make_values(5, 1), make_values(2, 2), make_values(3, 3)
    for row, values in enumerate((first, second, third)):
        write(cache, row, values)
    cache.reserve(6)
    step = make_values(2, 4)  # its "length" is the two rows
    for layer in range(LAYERS):
        keys, values = step[layer].transpose(1, 2)
        cache.write_step(layer, torch.tensor([5, 2]), keys, values)
    assert holds(cache, 0, torch.cat([first, step[:, :, :, :1]], 3))
    assert holds(cache, 1, torch.cat([second, step[:, :, :, 1:]], 3))
    assert holds(cache, 2, third)


def test_reading_several_rows_gives_them_in_order(cache: KVCache):
    rows = [make_values(3, seed) for seed in range(ROWS)]
    for row, values in enumerate(rows):
        write(cache, row, values)
    keys, values = cache.read(1, 1, 3, 2)
    assert keys.shape == values.shape == (2, HEADS, 2, DIM)
    assert torch.equal(keys[1], rows[2][1, 0, :, :2])


def test_growing_keeps_every_row(cache: KVCache):
    rows = [make_values(GRANULE - 1, seed) for seed in range(ROWS)]
    for row, values in enumerate(rows):
        write(cache, row, values)
    assert cache.capacity == GRANULE
    cache.reserve(GRANULE + 1)
    assert cache.capacity == 2 * GRANULE
    assert all(holds(cache, row, values) for row, values in enumerate(rows))


def test_reserving_less_than_there_is_changes_nothing(cache: KVCache):
    cache.reserve(GRANULE + 1)
    cache.reserve(1)
    assert cache.capacity == 2 * GRANULE


def test_a_moved_row_keeps_its_values_and_leaves_the_others(cache: KVCache):
    rows = [make_values(length, seed) for seed, length in enumerate((5, 2, 7))]
    for row, values in enumerate(rows):
        write(cache, row, values)
    cache.move_row(2, 0, 7)
    assert holds(cache, 0, rows[2])
    assert holds(cache, 1, rows[1])


def test_release_gives_the_memory_back_and_the_cache_can_be_used_on(cache: KVCache):
    write(cache, 0, make_values(5, 1))
    cache.release()
    assert cache.capacity == 0
    again = make_values(3, 2)
    write(cache, 0, again)
    assert holds(cache, 0, again)
