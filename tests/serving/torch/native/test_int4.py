"""Weights in four bits: the levels, how weights are rounded to them, and an engine with them."""

from pathlib import Path
from typing import Any

import pytest
import torch

from serving.engine import Request
from serving.errors import EngineUnsupported
from serving.torch.architecture import GROUPS
from serving.torch.forms.build import Form, numbers_for
from serving.torch.linear import Int8
from serving.torch.native.int4 import GROUP, Int4
from serving.torch.native.library import Library
from serving.torch.native.structures import Packed
from tests.serving.engines import (
    GREEDY,
    PROMPTS,
    collect,
    encode,
    make_engine,
    place,
    running,
    token_ids,
)
from tests.serving.torch.test_weights import built, linears

LEVELS = torch.tensor([-63.0, -50, -40, -32, -24, -17, -11, -5, 1, 7, 14, 20, 27, 35, 45, 61])
TRIES = [0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1]


def packed(library: Library, rows: torch.Tensor) -> tuple[Packed, torch.Tensor]:
    kind = Int4(library=library)
    fixed, _ = kind.store([rows])
    weight = Packed(*fixed)
    return weight, kind.wide(weight)


def drawn(height: int, width: int) -> torch.Tensor:
    return torch.randn(height, width, generator=torch.Generator().manual_seed(1))


def test_bits_stand_for_levels_times_scales(library: Library):
    draw = torch.Generator().manual_seed(2)
    values = torch.randint(0, 256, (4, 64), generator=draw, dtype=torch.uint8)
    groups = torch.randint(-127, 128, (4, 4), generator=draw, dtype=torch.int8)
    weight = Packed(values, groups, None, torch.rand(4, generator=draw))
    pairs = values.view(4, 2, 1, GROUP)
    numbers = torch.cat([pairs & 15, pairs >> 4], dim=2).view(4, 4, GROUP).long()
    expected = (LEVELS[numbers] * groups[..., None]).flatten(1) * weight.scale[:, None]
    assert torch.equal(Int4(library=library).wide(weight), expected)


def test_the_levels_are_those_of_lloyd():
    """Each is the mean of the numbers next to it, weighted by the squares of their groups' scales,
    where every group has the scale of either sign that loses least."""
    levels = LEVELS
    groups = drawn(40_000, GROUP)
    largest = groups.abs().amax(1)
    between = (levels[1:] + levels[:-1]) / 2
    best = torch.full((len(groups),), torch.inf)
    scales, numbers = torch.ones(len(groups)), torch.zeros(groups.shape, dtype=torch.long)
    for factor in [sign * each for each in TRIES for sign in (1, -1)]:
        tried = largest * factor / levels.abs().max()
        own = torch.bucketize(groups / tried[:, None], between)
        lost = ((levels[own] * tried[:, None] - groups) ** 2).sum(1)
        better = lost < best
        best[better], scales[better], numbers[better] = lost[better], tried[better], own[better]
    weights = (scales**2)[:, None].expand(groups.shape)
    sums = torch.zeros(16).index_add(0, numbers.flatten(), (groups * scales[:, None]).flatten())
    means = sums / torch.zeros(16).index_add(0, numbers.flatten(), weights.flatten())
    assert (means - levels).abs().max() < 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_each_number_is_rounded_to_the_next_level_of_a_good_scale(
    dtype: torch.dtype, library: Library
):
    rows = drawn(8, 256).to(dtype)
    weight, wide = packed(library, rows)
    groups = rows.float().view(-1, GROUP)
    steps = weight.scale.repeat_interleave(256 // GROUP) * weight.groups.flatten()
    nearest = (groups[..., None] - LEVELS * steps[:, None, None]).abs().amin(-1)
    assert torch.allclose((wide.view(-1, GROUP) - groups).abs(), nearest, atol=1e-6)
    counts = (groups**2 + (groups**2).mean(1, keepdim=True)).sqrt()
    best = torch.full((len(groups),), torch.inf)
    for scale in [each for each in range(-127, 128) if each]:
        own = weight.scale.repeat_interleave(256 // GROUP) * scale
        lost = (groups[..., None] - LEVELS * own[:, None, None]).abs().amin(-1)
        best = torch.minimum(best, (lost**2 * counts).sum(1))
    own = ((wide.view(-1, GROUP) - groups) ** 2 * counts).sum(1)
    assert own.mean() < 1.1 * best.mean()


def test_what_a_row_stands_for_is_summed(library: Library):
    weight, wide = packed(library, drawn(12, 128))
    assert torch.allclose(weight.row_sums * weight.scale, wide.sum(1), rtol=1e-4, atol=1e-4)


def test_zeros_stay_zeros_and_what_is_no_number_stays_none(library: Library):
    rows = drawn(8, 128)
    rows[0, :GROUP] = 0
    rows[1] = 0
    rows[2, 3], rows[3, 100] = torch.nan, torch.inf
    _, wide = packed(library, rows)
    assert (wide[0, :GROUP] == 0).all()
    assert (wide[1] == 0).all()
    assert wide[2].isnan().all()
    assert wide[3].isnan().all()
    assert (wide[0, GROUP:] != 0).any()
    assert wide[4:].isfinite().all()


@pytest.mark.parametrize("shape", [(8, 96), (6, 128)])
def test_matrices_that_are_no_tiles_stay_in_int8(shape: tuple[int, int], library: Library):
    fixed, (rounded, scale) = Int4(library=library).store([torch.randn(shape)])
    assert fixed == ()
    assert (rounded.dtype, rounded.shape, scale.shape) == (torch.int8, shape, (shape[0],))


def test_a_base_takes_little_more_than_four_bits_a_weight(library: Library, make_base: Any):
    parts = built(make_base("llama"), Form("int4", library))
    assert isinstance(parts.decoder.head.kind, Int8)
    assert not isinstance(parts.decoder.head.kind, Int4)
    narrow = [each for each in linears(parts) if each.fixed]
    assert len(narrow) == (len(GROUPS) - 1) * len(parts.decoder.layers)  # not of a width of 96
    for linear in narrow:
        count = linear.num_rows * linear.tensors[0].shape[1]
        taken = sum(tensor.nbytes for tensor in linear.fixed)
        assert taken == count // 2 + count // GROUP + 8 * linear.num_rows
        assert len(linear.tensors[0]) == 0


async def test_an_engine_answers_in_four_bits(library: Library, make_base: Any, tmp_path: Path):
    place(tmp_path, library)
    base = make_base("llama")
    async with running(base, precision="int4", compiled=tmp_path) as engine:
        stats = engine.stats()
        assert (stats.precision, stats.is_compiled) == ("int4", True)
        asked = Request("", encode(base, PROMPTS[0]), sampling=GREEDY)
        assert len(token_ids(await collect(engine, asked))) == GREEDY.max_tokens


@pytest.mark.parametrize("may_compile", [False, True])
async def test_without_compiled_code_it_is_said_what_helps(
    may_compile: bool, make_base: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CXX", "false")
    engine = make_engine(
        make_base("llama"), precision="int4", compiled=tmp_path if may_compile else None
    )
    with pytest.raises(EngineUnsupported, match=r"apt install g\+\+"):
        await engine.start()
    await engine.stop()


def test_on_a_gpu_it_is_said_what_serves_there():
    with pytest.raises(EngineUnsupported, match="--precision nf4"):
        numbers_for("int4", "cuda")
