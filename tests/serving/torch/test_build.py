"""What `--precision auto` means."""

import pytest

from serving.torch.architecture import read_architecture
from serving.torch.build import Precision, choose_precision
from tests.conftest import MakeBase
from tests.serving.engines import needs_int8

SMALL, LARGE = 135_000_000, 7_000_000_000


@needs_int8
@pytest.mark.parametrize(
    ("device", "num_parameters", "features", "expected"),
    [
        ("cpu", SMALL, ("avx2", "avx512_f", "avx512_vnni"), "int8"),
        ("cpu", SMALL, ("avx2",), "fp32"),
        ("cpu", SMALL, ("avx2", "avx512_f"), "fp32"),
        ("cpu", LARGE, ("avx2",), "int8"),
        ("cpu", SMALL, (), "int8"),
        ("cuda", SMALL, (), "nf4"),
    ],
)
def test_without_vnni_a_small_base_is_served_wide(
    device: str, num_parameters: int, features: tuple[str, ...], expected: Precision
):
    assert choose_precision("auto", device, num_parameters, features) == expected
    assert choose_precision("bf16", device, num_parameters, features) == "bf16"


def test_parameters_are_counted_from_the_shape(make_base: MakeBase):
    from safetensors import safe_open

    for tied in (False, True):
        folder = make_base("llama", tied=tied)
        with safe_open(folder / "model.safetensors", framework="np") as weights:
            shapes = {key: weights.get_slice(key).get_shape() for key in weights.keys()}  # noqa: SIM118 - no dict
        expected = sum(a * b for a, b in (s for s in shapes.values() if len(s) == 2))
        assert read_architecture(folder).num_parameters == expected
