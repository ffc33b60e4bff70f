"""How a base's weights get into memory: nothing is there twice, and nothing waits for others."""

from pathlib import Path
from typing import Any

import pytest
import torch

from serving.torch.architecture import read_architecture
from serving.torch.forms.build import Form, Parts, TorchEngineConfig, build_parts
from serving.torch.linear import PIECE, WHOLE, Dense, Int8, Nf4
from serving.torch.native.library import Library
from serving.torch.weights import load_side_by_side
from tests.serving.engines import needs_int8


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rounding_piece_by_piece_gives_what_rounding_the_whole_does(dtype: torch.dtype):
    draw = torch.Generator().manual_seed(0)
    parts = [torch.randn(rows, 1001, generator=draw).to(dtype) for rows in (400, 7, 1)]
    parts[0][3] = 0
    assert parts[0].numel() > PIECE
    wide = torch.cat(parts).float()
    scale = wide.abs().amax(-1).clamp_min(1e-12) / WHOLE
    fixed, (rounded, own_scale) = Int8().store(parts)
    assert fixed == ()
    assert torch.equal(own_scale, scale)
    assert torch.equal(rounded, (wide / scale[:, None]).round().to(torch.int8))


def test_an_adapters_rows_are_rounded_alike_in_every_layer():
    rows = torch.randn(3, 16, 33)
    rounded, scale = Int8().encode(rows)
    for layer in range(3):
        alone = Int8().encode(rows[layer])
        assert torch.equal(rounded[layer], alone[0])
        assert torch.equal(scale[layer], alone[1])


def test_wide_matrices_are_put_below_one_another():
    parts = [torch.randn(rows, 8).bfloat16() for rows in (3, 5)]
    _, (whole,) = Dense(torch.float32).store(parts)
    assert whole.dtype == torch.float32
    assert torch.equal(whole, torch.cat(parts).float())


def test_layers_come_in_their_order_and_later_threads_compute_together():
    before = torch.get_num_threads()

    def make(number: int) -> tuple[int, int, bool]:
        return number, torch.get_num_threads(), torch.is_inference_mode_enabled()

    with torch.inference_mode():
        made = load_side_by_side(make, range(20), "cpu")
    assert made == [(number, 1, True) for number in range(20)]
    assert torch.get_num_threads() == before


def test_a_layer_that_cannot_be_made_is_told():
    before = torch.get_num_threads()

    def fail(number: int) -> int:
        raise KeyError(number)

    with pytest.raises(KeyError):
        load_side_by_side(fail, range(3), "cpu")
    assert torch.get_num_threads() == before


@needs_int8
def test_compiled_code_leaves_no_room_for_adapters_among_the_weights(
    library: Library, make_base: Any
):
    parts = built(make_base("llama"), Form("int8", library))
    assert heights(parts) == [linear.num_rows for linear in linears(parts)]
    assert parts.bank.num_granules == 4


def test_eager_code_has_its_room_before_the_first_request(make_base: Any):
    parts = built(make_base("llama"), Form("fp32"))
    assert all(
        height == linear.num_rows + 4 * 16 * count
        for height, linear, count in zip(
            heights(parts), linears(parts), [3, 1, 2, 1] * len(parts.decoder.layers), strict=True
        )
    )
    generation = parts.bank.generation
    parts.bank.stacks(4)
    assert parts.bank.generation == generation


def test_what_is_quantized_keeps_nothing_of_the_wide_weights():
    _, (rows,) = Nf4(torch.float32).store([torch.randn(64, 128)])
    assert (rows.shape, rows.untyped_storage().nbytes()) == ((0, 128), 0)


def built(folder: Path, form: Form) -> Parts:
    config = TorchEngineConfig(precision=form.precision, max_rows=4, context_length=64)
    with torch.inference_mode():
        return build_parts(folder, read_architecture(folder), form, config)


def linears(parts: Parts) -> list[Any]:
    return [linear for layer in parts.decoder.layers for linear in layer.linears]


def heights(parts: Parts) -> list[int]:
    return [len(linear.tensors[0]) for linear in linears(parts)]
