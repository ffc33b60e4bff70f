"""Files that appear whole or not at all, and full disks."""

import errno
import os
from pathlib import Path

import pytest

from data.whole_file import whole_file

FULL = Path("/dev/full")  # Linux's: whatever is written to it does not fit


def test_a_file_appears_when_all_is_written(tmp_path: Path):
    with whole_file(tmp_path / "a.txt") as file:
        file.write("a")
        assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.txt").read_text() == "a"


@pytest.mark.skipif(not FULL.exists(), reason="there is no device that is always full")
def test_a_full_disk_names_the_file_and_leaves_nothing(tmp_path: Path):
    (tmp_path / f".a.txt.{os.getpid()}").symlink_to(FULL)
    with (
        pytest.raises(OSError, match="No space left") as caught,
        whole_file(tmp_path / "a.txt") as file,
    ):
        file.write("a")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "a.txt"))
    assert list(tmp_path.iterdir()) == []


def test_other_errors_are_as_they_were(tmp_path: Path):
    with pytest.raises(OSError, match="else") as caught, whole_file(tmp_path / "a.txt"):
        raise OSError("something else")
    assert caught.value.filename is None
