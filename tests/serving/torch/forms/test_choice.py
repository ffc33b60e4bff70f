"""What `--precision` means: which forms a base may have here, and which is taken."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from serving.engine import ServedPrecision
from serving.torch.architecture import Architecture, read_architecture
from serving.torch.forms import choice
from serving.torch.forms.build import Form, TorchEngineConfig
from serving.torch.forms.choice import choose, possible_forms
from serving.torch.native.library import Library
from tests.conftest import MakeBase
from tests.serving.engines import needs_int8


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "busiest_core", lambda: 0.0)


@pytest.fixture
def shape(make_base: MakeBase) -> Architecture:
    return read_architecture(make_base("llama"))


def forms(shape: Architecture, precision: ServedPrecision, **options: Any) -> list[str]:
    compiled = options.pop("compiled", None)
    config = TorchEngineConfig(precision, **options)
    return [str(form) for form in possible_forms(shape, config, compiled)]


@needs_int8
def test_a_small_base_may_be_wide(
    shape: Architecture, library: Library, monkeypatch: pytest.MonkeyPatch
):
    compiled = Form("int8", library)
    ours = f"int8, {library.kernel}"
    assert forms(shape, "auto") == ["int8", "fp32"]
    assert forms(shape, "auto", compiled=compiled) == [ours, "fp32"]
    assert forms(shape, "int8", compiled=compiled) == [ours]
    assert forms(shape, "bf16", compiled=compiled) == ["bf16"]
    assert forms(shape, "auto", device="cuda") == ["nf4"]
    monkeypatch.setattr(choice, "MOST_WIDE", 1000)
    assert forms(shape, "auto") == ["int8"]
    assert forms(shape, "auto", compiled=compiled) == [ours]


def test_where_int8_is_wrong_fp32_is_left(shape: Architecture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(choice, "exact_limit", lambda: None)
    monkeypatch.setattr(choice, "MOST_WIDE", 1000)
    assert forms(shape, "auto") == ["fp32"]


BAD = ("3", "[1]", "[0, 1]", "[1, NaN]", "[1, Infinity]", '["a", 1]')
BOTH = (Form("int8"), Form("fp32"))


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"int8": (1.0, 2.0), "fp32": (2.0, 4.0)}, "int8"),
        ({"int8": (1.0, 8.0), "fp32": (2.0, 3.0)}, "fp32"),
        ({"int8": (1.0, 4.0), "fp32": (3.0, 3.0)}, "int8"),
    ],
)
def test_the_fastest_is_taken_and_stays_it(
    times: dict[str, tuple[float, ...]],
    expected: str,
    shape: Architecture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """One stream counts as much as several; a second start does not measure."""
    monkeypatch.setattr(choice, "time_products", lambda all_, _: [times[str(own)] for own in all_])
    assert choose(BOTH, shape, tmp_path).precision == expected
    monkeypatch.setattr(choice, "time_products", lambda *_: pytest.fail("measured again"))
    assert choose(BOTH, shape, tmp_path).precision == expected
    assert len(list(tmp_path.iterdir())) == 1


def test_beside_busy_programs_one_thread_is_timed_and_nothing_is_kept(
    shape: Architecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import torch

    threads, before = list[int](), torch.get_num_threads()

    def time_products(forms: Sequence[Form], _: Architecture) -> list[choice.Times]:
        threads.append(torch.get_num_threads())
        return [(1.0, 1.0) for _ in forms]

    monkeypatch.setattr(choice, "time_products", time_products)
    for share in (0.9, 0.1, 0.9):
        monkeypatch.setattr(choice, "busiest_core", lambda share=share: share)
        choose(BOTH, shape, tmp_path / "times")
        assert (tmp_path / "times").exists() == (share < 0.5 or len(threads) > 1)
    assert threads == [1, before]
    assert torch.get_num_threads() == before


DAMAGED = ["", "{}", "[1]", "\0", *(f'{{"int8": {bad}, "fp32": [1, 2]}}' for bad in BAD)]


@pytest.mark.parametrize("content", DAMAGED)
def test_what_was_kept_and_is_damaged_is_measured_again(
    content: str, shape: Architecture, tmp_path: Path
):
    choose(BOTH, shape, tmp_path)
    (kept,) = tmp_path.iterdir()
    right = kept.read_text().replace(" ", "")
    kept.write_text(content)
    assert choose(BOTH, shape, tmp_path) in BOTH
    assert len(kept.read_text()) > len(right) // 2


def test_a_folder_that_cannot_be_written_to_costs_a_measurement(
    shape: Architecture, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "file").touch()
    assert choose(BOTH, shape, tmp_path / "file") in BOTH
    assert "not kept" in caplog.text


@needs_int8
def test_compiled_products_are_timed_too(shape: Architecture, library: Library):
    forms = [Form("int8", library), *BOTH]
    times = choice.time_products(forms, shape)
    assert len(times) == len(forms)
    assert all(each > 0 for own in times for each in own)


def test_parameters_are_counted_from_the_shape(make_base: MakeBase):
    from safetensors import safe_open

    for tied in (False, True):
        folder = make_base("llama", tied=tied)
        with safe_open(folder / "model.safetensors", framework="np") as weights:
            shapes = {key: weights.get_slice(key).get_shape() for key in weights.keys()}  # noqa: SIM118 - no dict
        expected = sum(a * b for a, b in (s for s in shapes.values() if len(s) == 2))
        assert read_architecture(folder).num_parameters == expected
