"""Keys and values take memory when they are written, not before."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from serving.torch.architecture import read_architecture
from serving.torch.paged_cache import PagedCache, bytes_per_block

ROOT = Path(__file__).parents[3]
NUM_BLOCKS = 20_000
LINE = 64  # [bytes] of a cache line, at which rows begin
FEW = 2 << 20  # [bytes]: less than a large page for the keys and one for the values of each layer


def anonymous_bytes() -> int:
    (line,) = (
        each
        for each in Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        if each.startswith("RssAnon:")
    )
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_memory_is_taken_by_blocks_that_are_written(dtype: str, make_base: Any):
    """In a process of its own: one that has given much back is given the same memory again."""
    code = f"from {__name__} import check; check({str(make_base('llama'))!r}, {dtype!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def check(base: str, named: str) -> None:
    dtype: Any = getattr(torch, named)
    shape = read_architecture(Path(base))
    before, whole = anonymous_bytes(), NUM_BLOCKS * bytes_per_block(shape, dtype)
    cache = PagedCache(shape, NUM_BLOCKS, dtype, "cpu")
    empty = anonymous_bytes()
    assert empty - before < whole / 4
    for keys, values in cache.layers:
        keys[:16] = values[:16] = 1
    assert anonymous_bytes() - empty < FEW
    for keys, values in cache.layers:
        assert keys.dtype == values.dtype == dtype
        assert keys.data_ptr() % LINE == values.data_ptr() % LINE == 0
        assert not keys[-16:].any()
        keys.fill_(1)
        values.fill_(1)
    assert anonymous_bytes() - before > 0.9 * whole
