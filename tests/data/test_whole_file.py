"""Files that appear whole or not at all, and full disks."""

import errno
import os
import time
from pathlib import Path

import pytest

from data.whole_file import (
    FORGOTTEN,
    make_lasting,
    new_folder,
    remove_forgotten,
    remove_new,
    remove_unfinished,
    whole_file,
    whole_path,
)
from tests.disk_calls import record_disk

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


def test_a_lasting_file_is_written_through_before_it_takes_its_place_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    calls = record_disk(monkeypatch, tmp_path)
    with whole_file(tmp_path / "a.txt", lasting=True) as file:
        file.write("a")
        assert calls == []
    assert calls == ["fsync .a.txt.?", ".a.txt.? -> a.txt", "fsync ."]


def test_a_lasting_folder_is_written_through_in_each_folder_above_that_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    calls = record_disk(monkeypatch, tmp_path)
    make_lasting(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert calls == ["fsync .", "fsync a"]
    make_lasting(tmp_path / "a" / "b")
    assert calls == ["fsync .", "fsync a"]


def test_what_an_owner_who_was_killed_left_goes_and_what_others_make_stays(tmp_path: Path):
    with new_folder(tmp_path) as other, new_folder(tmp_path, "b") as neighbour:
        left = tmp_path / ".new-a-left"
        left.mkdir()
        with new_folder(tmp_path, "a") as own:
            assert {*tmp_path.iterdir()} == {other, neighbour, own}
            remove_new(tmp_path, "a")
            assert {*tmp_path.iterdir()} == {other, neighbour}


def test_files_that_were_about_to_take_their_place_can_be_removed(tmp_path: Path):
    (tmp_path / "a.txt").touch()
    (tmp_path / ".hidden.txt").touch()
    with whole_path(tmp_path / "a.txt") as temporary:
        temporary.touch()
        remove_unfinished(tmp_path)
        assert not temporary.exists()
        temporary.touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden.txt", "a.txt"]


def test_what_was_about_to_take_a_place_long_ago_is_removed_and_nothing_else(tmp_path: Path):
    long_ago = time.time() - FORGOTTEN - 1
    for name in (".a.txt.1", ".a.txt.old", ".b.txt.1"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (long_ago, long_ago))
    (tmp_path / ".a.txt.2").touch()  # somebody writes it now
    remove_forgotten(tmp_path / "a.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".a.txt.2",
        ".a.txt.old",
        ".b.txt.1",
    ]
