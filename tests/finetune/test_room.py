"""What a run takes is reckoned from a base that lies there, whatever its form."""

from pathlib import Path
from typing import Any

import pytest

from finetune.bases.gguf_base import find_any_base
from finetune.hardware import GIB, Memory
from finetune.room import Reckoning, shape_of
from tests.gguf_files import write_gguf

GPU = Memory("cuda", total_bytes=24 * GIB, free_bytes=20 * GIB, own_bytes=GIB)


@pytest.mark.parametrize("tied", [False, True], ids=["two tables", "one table"])
def test_a_gguf_file_has_the_shape_of_its_folder(make_base: Any, tmp_path: Path, tied: bool):
    folder = make_base("qwen2", tied=tied)
    file = write_gguf(folder, tmp_path / "base.gguf")
    shapes = [shape_of(find_any_base(str(path), tmp_path)) for path in (folder, file)]
    assert shapes[0] is not None
    assert shapes[0] == shapes[1]


def test_an_adapter_to_go_on_from_counts_with_its_own_rank(
    make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base("llama")
    make_adapter(base, tmp_path / "adapters" / "style" / "1")
    reckoning = Reckoning(str(base), tmp_path)
    fresh = reckoning.run_bytes({"rank": 64, "quantize": "none"}, GPU)
    going_on = reckoning.run_bytes({"from_adapter": "style", "quantize": "none"}, GPU)
    assert fresh is not None
    assert going_on is not None
    assert going_on < fresh


def test_what_cannot_be_told_is_left_to_the_run(make_base: Any, tmp_path: Path):
    assert Reckoning("nowhere.gguf", tmp_path).run_bytes({}, GPU) is None
    nobody = Reckoning(str(make_base("llama")), tmp_path)
    assert nobody.run_bytes({"from_adapter": "nobody"}, GPU) is None
