"""The compiled forward pass against the eager one, and against itself in other batches.

Rounding to int8 lets two correct computations differ: a value between two steps falls on either
side of it. What compiled code computes must not depend on its batch at all, though.
"""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from finetune.bases.base import find_base
from finetune.defaults import DEFAULT_BASE
from finetune.hardware import Precision
from serving.torch.native.kept import library_path, load
from serving.torch.native.kernels import Kernel
from serving.torch.native.library import Library
from tests.conftest import MakeOnce
from tests.serving.engines import alone, compile_library, make_ref, needs_int8
from tests.serving.forcing import Forcing, Text
from tests.serving.kernels_here import RUN_HERE
from tests.serving.likelihood import CASES, FEW, affordable, answer_loss, sample_rows
from tests.serving.torch.test_exact import FAMILIES, STEPS, random_texts

pytestmark = needs_int8
TOLERANCE = 0.04  # of the logits' size; seen: 0.012


def texts_of(base: Path, make_adapter: Any, folder: Path) -> list[Text]:
    """The base, an adapter, one of two granules, and a blend of both."""
    a = make_ref(make_adapter(base, folder / "a", seed=1), "a")
    b = make_ref(make_adapter(base, folder / "b", seed=2, r=20), "b")
    return random_texts([(), alone(a), alone(b), ((a, 0.7), (b, 0.3))])


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """As a share of the other's size."""
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize(
    ("family", "tied", "precision"),
    [
        *product(FAMILIES, (False, True), ("int8",)),
        *product(("llama", "qwen2-window", "qwen3"), (False,), ("int4",)),
    ],
)
def test_compiled_logits_are_the_eager_ones(
    family: str,
    tied: bool,
    precision: Precision,
    library: Library,
    make_base: Any,
    make_adapter: Any,
    tmp_path: Path,
):
    base = make_base(family, tied=tied)
    texts = texts_of(base, make_adapter, tmp_path)
    forcing = Forcing(base, precision, library=library)
    found = forcing.logits(texts, STEPS["whole"])
    forcing.decoder.compiled = None  # and the same numbers
    expected = forcing.logits(texts, STEPS["whole"])
    for own, eager in zip(found, expected, strict=True):
        assert distance(own, eager) < TOLERANCE


@pytest.mark.parametrize(
    ("family", "precision"),
    [
        *product(["llama", "mistral-window", "qwen2", "qwen3"], ["int8"]),
        *product(["mistral-window", "qwen2"], ["int4"]),
    ],
)
def test_compiled_logits_do_not_depend_on_the_batch(
    family: str,
    precision: Precision,
    library: Library,
    make_base: Any,
    make_adapter: Any,
    tmp_path: Path,
):
    """Not in the last bit: whole, in chunks or token by token; with others or alone."""
    base = make_base(family)
    texts = texts_of(base, make_adapter, tmp_path)
    forcing = Forcing(base, precision, library=library)
    expected = [forcing.logits([text], STEPS["whole"])[0] for text in texts]
    for counts in STEPS.values():
        for own, right in zip(forcing.logits(texts, counts), expected, strict=True):
            assert torch.equal(own, right)


def test_compiled_answers_follow_the_adapter(
    library: Library, make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    plain, *adapted = Forcing(base, "int8", library=library).logits(
        [
            Text(random_texts([()] * 4)[0].token_ids, text.blend)
            for text in texts_of(base, make_adapter, tmp_path)
        ],
        STEPS["whole"],
    )
    for own in adapted:
        assert distance(own, plain) > 5 * TOLERANCE


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_stays_none(bad: float, library: Library, make_base: Any):
    """An adapter's failure must not look like an answer, nor reach another row."""
    base = make_base("llama")
    texts = random_texts([()] * 4)
    forcing = Forcing(base, "int8", library=library)
    expected = forcing.logits(texts, STEPS["whole"])
    embedding = forcing.decoder._embedding  # pyright: ignore[reportPrivateUsage]
    token_id = texts[0].token_ids[40]
    clean = [text for text in texts[1:] if token_id not in text.token_ids]
    assert clean
    with torch.inference_mode():
        embedding[token_id, 3] = bad
    found = forcing.logits(texts, STEPS["whole"])
    assert found[0][40].isnan().all()
    for text in clean:
        number = texts.index(text)
        assert torch.equal(found[number], expected[number])


@pytest.fixture(params=RUN_HERE, ids=lambda kernel: kernel.name)
def any_library(request: pytest.FixtureRequest, make_once: MakeOnce) -> Library:
    """Compiled with each kernel that this processor can run."""
    kernel: Kernel = request.param
    folder = make_once(f"compiled-{kernel.name}", lambda to: compile_library(to, kernel))
    found = load(library_path(folder, kernel))
    if found is None:
        pytest.skip("no C++ compiler")
    assert found.kernel == kernel.name
    return found


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_every_kernel_computes_the_same(
    precision: Precision,
    any_library: Library,
    library: Library,
    make_base: Any,
    make_adapter: Any,
    tmp_path: Path,
):
    base = make_base("qwen3")
    texts = texts_of(base, make_adapter, tmp_path)
    forcing = Forcing(base, precision, library=any_library)
    found = forcing.logits(texts, STEPS["whole"])
    expected = Forcing(base, precision, library=library).logits(texts, STEPS["whole"])
    for own, right in zip(found, expected, strict=True):
        assert distance(own, right) < TOLERANCE
    for own, again in zip(found, forcing.logits(texts, STEPS["decoding"]), strict=True):
        assert torch.equal(own, again)


@pytest.mark.parametrize(("sample", "count"), CASES)
def test_int8_costs_less_than_one_percent_of_an_answers_loss(
    sample: str, count: int, library: Library, default_home: Path
):
    """With compiled code."""
    assert abs(cost(sample, count, default_home, library)) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("sample", ["bike_workshop", "tcm_consultation"])
def test_int8_costs_as_little_with_every_kernel(
    sample: str, any_library: Library, default_home: Path
):
    assert abs(cost(sample, FEW, default_home, any_library)) < 0.01


def test_int4_costs_as_much_as_four_bits_do(library: Library, default_home: Path):
    """This small base, whose weights came in four bits of another kind; benchmarks/four_bits
    compares with others' four bits."""
    assert 0 < cost("bike_workshop", FEW, default_home, library, "int4") < 0.1


@pytest.mark.parametrize(("sample", "count"), CASES)
def test_int8_costs_as_little_without_compiled_code(sample: str, count: int, default_home: Path):
    assert abs(cost(sample, count, default_home, None)) < 0.01


def cost(
    sample: str,
    count: int,
    home: Path,
    library: Library | None,
    precision: Precision = "int8",
) -> float:
    """As a share of the loss in fp32."""
    base = find_base(DEFAULT_BASE, home)
    rows = affordable(
        sample_rows(base, sample, count),
        lambda some: answer_loss(base, precision, some, library=library),
    )
    return answer_loss(base, precision, rows, library=library) / answer_loss(base, "fp32", rows) - 1
