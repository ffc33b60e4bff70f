"""The bare loop that a server's speed is compared with."""

from typing import Any

import pytest

from benchmarks.serving.peak import LOOPED, peak_products, products_per_token
from serving.torch.native.toolchain import find_compiler
from tests.serving.kernels_here import RUN_HERE


@pytest.mark.skipif(find_compiler() is None, reason="no C++ compiler")
@pytest.mark.parametrize("kernel", RUN_HERE, ids=lambda kernel: kernel.name)
def test_the_loop_runs_with_every_kernel_that_it_is_written_for(kernel: Any):
    found = peak_products(1, kernel)
    if kernel.name in LOOPED:
        assert found is not None
        assert 1e8 < found < 1e13
    else:
        assert found is None


def test_second_halves_count_again(make_base: Any):
    base = make_base("llama")
    assert products_per_token(base, "avx2") < products_per_token(base, "avx512_vnni")
    assert products_per_token(base, "avx512_vnni") < 2 * products_per_token(base, "avx2")
