"""What a folder holds that is no adapter as PEFT writes it."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from finetune.adapters.other_forms import checkpoints, other_form, weight_files
from finetune.errors import AdapterInvalid

CONFIG, WEIGHTS, PICKLED = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
PART = "adapter_model-0000{}-of-00002.{}"


def folder_of(folder: Path, names: Iterable[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            [CONFIG, PICKLED],
            "older PEFT adapter, in adapter_model.bin. `lora-chat adapters import`",
        ),
        ([PART.format(2, "bin")], "in parts, adapter_model-00002-of-00002.bin"),
        (
            [f"checkpoint-{n}/{name}" for n in (9, 10) for name in (CONFIG, WEIGHTS)],
            "checkpoints of a training, checkpoint-9, checkpoint-10.",
        ),
        (["config.json", "pytorch_model.bin"], "whole model"),
        (["config.json", "model-00001-of-00002.safetensors"], "whole model"),
        (["adapters.safetensors", CONFIG], "MLX"),
        (["trainer_state.json", "checkpoint-5/optimizer.pt"], "nothing in it is an adapter"),
    ],
)
def test_known_forms_are_named(names: list[str], said: str, tmp_path: Path):
    found = other_form(folder_of(tmp_path, names))
    assert found is not None
    assert said in found


@pytest.mark.parametrize(
    "names",
    [
        [],
        [CONFIG],
        ["config.json"],
        ["read.me", "checkpoint-5/optimizer.pt"],
        [f"checkpoint-x/{name}" for name in (CONFIG, WEIGHTS)],
    ],
)
def test_anything_else_is_not(names: list[str], tmp_path: Path):
    assert other_form(folder_of(tmp_path, names)) is None
    assert other_form(tmp_path / "missing") is None


def test_checkpoints_are_in_the_order_of_their_steps(tmp_path: Path):
    names = [f"checkpoint-{n}/{name}" for n in (100, 9, 20) for name in (CONFIG, PICKLED)]
    folder_of(tmp_path, [*names, "checkpoint-300/optimizer.pt"])
    assert [path.name for path in checkpoints(tmp_path)] == [
        *("checkpoint-9", "checkpoint-20", "checkpoint-100")
    ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([WEIGHTS, PICKLED, PART.format(1, "bin")], [WEIGHTS]),
        ([PICKLED], [PICKLED]),
        (
            [PART.format(n, kind) for n in (1, 2) for kind in ("bin", "safetensors")],
            [PART.format(n, "safetensors") for n in (1, 2)],
        ),
        ([PART.format(2, "bin"), PART.format(1, "bin")], [PART.format(n, "bin") for n in (1, 2)]),
        ([CONFIG], []),
    ],
)
def test_weights_are_found_whatever_their_form(
    names: list[str], expected: list[str], tmp_path: Path
):
    assert [path.name for path in weight_files(folder_of(tmp_path, names))] == expected


def test_a_part_that_is_missing_is_named(tmp_path: Path):
    folder_of(tmp_path, [PART.format(2, "safetensors")])
    with pytest.raises(AdapterInvalid, match=r"lacks adapter_model-00001-of-00002\.safetensors"):
        weight_files(tmp_path)
