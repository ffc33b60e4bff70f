"""Whether a disk has room."""

from pathlib import Path

import pytest

from data.errors import NoRoom
from data.free_space import check_space, free_space


def test_what_fits_is_let_through(tmp_path: Path):
    check_space(free_space(tmp_path) // 2, tmp_path / "not" / "there" / "yet", "It", "wait")


def test_what_does_not_fit_is_refused_with_sizes_the_place_and_advice(tmp_path: Path):
    with pytest.raises(NoRoom, match=r"Training takes up to \d+\.\d GB.* has \d.*B left.*or wait"):
        check_space(1 << 60, tmp_path, "Training", "wait")
