"""Adapters encoded by compiled code: to the last bit what the eager encoder makes of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from finetune.adapters.files import WEIGHTS_FILE
from serving.errors import AdapterRefused
from serving.torch.architecture import read_architecture
from serving.torch.encoder import EncodedAdapter, Encoder
from serving.torch.linear import Dense, Int8
from serving.torch.native.encoder import NativeEncoder
from serving.torch.native.library import Library
from tests.serving.engines import make_ref, needs_int8

pytestmark = needs_int8


def encoders(base: Path, library: Library, limit: int = 127) -> tuple[Encoder, Encoder]:
    """The eager one and the compiled one."""
    architecture, kind = read_architecture(base), Int8(limit)
    eager, compiled = (Encoder(architecture, kind, "cpu") for _ in range(2))
    compiled.compiled = NativeEncoder(library, architecture, kind)
    return eager, compiled


def change(adapter: Path, action: Callable[[str, torch.Tensor], torch.Tensor]) -> None:
    tensors = load_file(adapter / WEIGHTS_FILE)
    save_file({key: action(key, tensor) for key, tensor in tensors.items()}, adapter / WEIGHTS_FILE)


def assert_same(one: EncodedAdapter, other: EncodedAdapter) -> None:
    assert one.num_granules == other.num_granules
    assert one.report == other.report
    for ups, others in zip(one.ups, other.ups, strict=True):
        for up, its in zip(ups, others, strict=True):
            assert (up is None) == (its is None)
            assert up is None or torch.equal(up, torch.as_tensor(its))
    for rows, others in zip(one.rows, other.rows, strict=True):
        if rows is None:
            assert others is None
            continue
        assert others is not None
        assert torch.equal(rows[0], others[0])
        used = rows[0].any(-1)  # rows without anything may have any scale
        assert torch.equal(rows[1][used], others[1][used])


@pytest.mark.parametrize("limit", [127, 63])
@pytest.mark.parametrize(
    "options",
    [
        {"r": 16},
        {"r": 5},
        {"r": 20},
        {"r": 40, "rank_pattern": {"q_proj": 3, "down_proj": 17}},
        {"target_modules": ["q_proj", "v_proj"], "use_rslora": True},
        {"target_modules": ["down_proj"], "layers_to_transform": [1]},
    ],
    ids=str,
)
def test_any_adapter_becomes_the_same(
    limit: int,
    options: dict[str, Any],
    library: Library,
    make_base: Any,
    make_adapter: Any,
    tmp_path: Path,
):
    base = make_base("qwen2")
    ref = make_ref(make_adapter(base, tmp_path / "a", **options), "a")
    eager, compiled = encoders(base, library, limit)
    assert_same(compiled.load(ref), eager.load(ref))


@pytest.mark.parametrize("options", [{"r": 20}, {"target_modules": ["q_proj", "up_proj"]}], ids=str)
def test_one_in_memory_becomes_what_its_file_becomes(
    options: dict[str, Any], make_base: Any, make_adapter: Any, tmp_path: Path
):
    """When a base goes on in another form."""
    base = make_base("qwen2")
    ref = make_ref(make_adapter(base, tmp_path / "a", **options), "a")
    architecture = read_architecture(base)
    wide = Encoder(architecture, Dense(torch.float32), "cpu").load(ref)
    narrow = Encoder(architecture, Int8(), "cpu")
    converted = narrow.convert(wide)
    assert converted is not None
    assert converted.kind == Int8()
    assert_same(converted, narrow.load(ref))
    assert narrow.convert(converted) is converted
    assert Encoder(architecture, Int8(63), "cpu").convert(converted) is None


@pytest.mark.parametrize(
    ("type_of_a", "type_of_b"),
    [
        (torch.float16, torch.float16),
        (torch.bfloat16, torch.bfloat16),
        (torch.float64, torch.float64),
        (torch.float16, torch.float32),
    ],
    ids=str,
)
def test_any_type_of_number_becomes_the_same(
    type_of_a: torch.dtype,
    type_of_b: torch.dtype,
    library: Library,
    make_base: Any,
    make_adapter: Any,
    tmp_path: Path,
):
    base = make_base("llama")
    ref = make_ref(make_adapter(base, tmp_path / "a", r=9), "a")
    change(ref.folder, lambda key, each: each.to(type_of_a if "lora_A" in key else type_of_b))
    eager, compiled = encoders(base, library)
    assert_same(compiled.load(ref), eager.load(ref))


def test_what_is_zero_stays_zero(
    library: Library, make_base: Any, make_adapter: Any, tmp_path: Path
):
    """As LoRA begins: B is zero."""
    base = make_base("llama")
    ref = make_ref(make_adapter(base, tmp_path / "a"), "a")
    change(ref.folder, lambda key, tensor: tensor * 0 if "lora_B" in key else tensor)
    eager, compiled = encoders(base, library)
    encoded = compiled.load(ref)
    assert_same(encoded, eager.load(ref))
    assert not any(up is not None and up.any() for ups in encoded.ups for up in ups)


@pytest.mark.parametrize("side", ["lora_A", "lora_B"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e16, -1e20])
def test_damaged_numbers_are_refused_with_their_place(
    side: str, value: float, library: Library, make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    ref = make_ref(make_adapter(base, tmp_path / "a"), "a")

    def damage(key: str, tensor: torch.Tensor) -> torch.Tensor:
        if f"layers.1.mlp.up_proj.{side}" in key:
            tensor[-1, -1] = value
        return tensor

    change(ref.folder, damage)
    for encoder in encoders(base, library):
        with pytest.raises(AdapterRefused, match=r"damaged: at layer 1 mlp\.up_proj"):
            encoder.load(ref)
