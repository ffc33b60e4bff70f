"""Files on the disk: whole or not there, and nothing is left of what was killed."""

import os
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from service.accounts.caller import ANYBODY
from service.errors import DiskFull, FileNotFound, NotAllowed, UploadTooLarge
from service.files.files import MISSING, Files
from service.files.stored_file import StoredFile
from service.state.database import State
from service.state.tables import FILES

Add = Callable[..., StoredFile]
Left = Callable[[], list[str]]


def test_a_folder_of_files_is_its_owners_alone(files: Files, add: Add):
    if os.name == "posix":
        assert files.path(add()).parent.stat().st_mode & 0o077 == 0


def test_a_file_that_is_not_kept_leaves_nothing(files: Files, left: Left):
    with closing(files.arrival(ANYBODY, 100, 10)) as arrival:
        arrival.begin("a.txt")
        arrival.write(b"half")
    assert left() == []
    assert files.list() == []


def test_a_file_beyond_the_limit_is_refused_and_leaves_nothing(add: Add, left: Left):
    with pytest.raises(UploadTooLarge, match="file_limit"):
        add(b"x" * 11, limit=10)
    assert left() == []
    assert add(b"x" * 10, limit=10).num_bytes == 10


def test_a_result_of_the_servers_own_is_there_at_once(files: Files, left: Left):
    file = files.keep("anna", "results.csv", "fine-tune-results", b"step,train_loss\n")
    assert file == files.find(file.id)
    assert (file.status, file.purpose, file.key_id) == ("processed", "fine-tune-results", "anna")
    assert files.path(file).read_bytes() == b"step,train_loss\n"
    assert left() == [file.id, f"{file.id}/results.csv"]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b'{"messages": []}\n{}\n', "upload.jsonl"),
        ("问：a\n答：b\n".encode("gb18030"), "upload.txt"),
        (b"question,answer\n", "upload.csv"),
    ],
)
def test_a_name_without_a_suffix_gets_one(files: Files, add: Add, content: bytes, name: str):
    file = add(content, name="upload")
    assert file.filename == name
    assert files.path(file).read_bytes() == content


def test_a_file_that_is_removed_takes_its_content_with_it(files: Files, add: Add, left: Left):
    file = add()
    files.remove(file.id)
    assert left() == []
    with pytest.raises(FileNotFound):
        files.remove(file.id)


# What a server or a worker that is killed leaves, step by step.


def test_a_folder_without_a_row_is_swept(files: Files, add: Add, home: Path, left: Left):
    stays = add()
    killed = home / "files" / ("file-" + "0" * 24)
    killed.mkdir()
    (killed / "half.txt").write_bytes(b"ha")
    (home / "files" / f".{killed.name}.lock").touch()
    (home / "files" / f".file-{'1' * 24}.lock").touch()
    files.sweep()
    assert left() == [stays.id, f"{stays.id}/a.jsonl"]


def test_content_whose_row_went_first_is_swept(
    files: Files, add: Add, own_state: State, left: Left
):
    file = add()
    with own_state.begin() as connection:
        connection.execute(delete(FILES).where(FILES.c.id == file.id))
    files.sweep()
    assert left() == []


def test_what_is_made_for_a_job_is_one_file_however_often_its_maker_is_killed(
    files: Files, home: Path, left: Left
):
    def keep() -> StoredFile:
        return files.keep("anna", "r.csv", "fine-tune-results", b"step\n", made_for="ftjob-1")

    file = keep()
    files.remove(file.id)
    half = home / "files" / file.id
    half.mkdir()
    (half / "r.csv").write_bytes(b"st")
    assert keep().id == keep().id == file.id
    assert files.path(file).read_bytes() == b"step\n"
    assert left() == [file.id, f"{file.id}/r.csv"]


def test_what_is_coming_in_is_not_swept(files: Files, left: Left):
    with closing(files.arrival(ANYBODY, 100, 10)) as arrival:
        arrival.begin("a.txt")
        arrival.write(b"half")
        files.sweep()
        arrival.write(b" and half")
        arrival.end()
        files.sweep()
        file = files.add(arrival, ANYBODY, purpose="fine-tune", most=10)
    files.sweep()
    assert files.path(file).read_bytes() == b"half and half"
    assert left() == [file.id, f"{file.id}/a.txt"]


def test_a_row_without_content_is_an_error(files: Files, add: Add):
    file = add()
    files.path(file).unlink()
    found = files.find(file.id)
    assert (found.status, found.status_details) == ("error", MISSING)
    assert not files.has_content(found)
    assert files.unchecked() == []
    assert files.list() == [found]
    files.remove(file.id)


def test_content_in_another_home_is_left_to_that(
    files: Files, add: Add, own_state: State, left: Left
):
    file = add()
    with own_state.begin() as connection:
        connection.execute(update(FILES).values(place="elsewhere"))
    found = files.find(file.id)
    assert (found.status, found.place) == ("uploaded", "elsewhere")
    assert not files.has_content(found)
    assert files.unchecked() == []
    files.sweep()
    assert len(left()) == 2


def test_a_full_disk_leaves_nothing(own_state: State, small_disk: Path):
    files = Files(own_state, small_disk, "here")
    with closing(files.arrival(ANYBODY, 1 << 30, 10)) as arrival:
        arrival.begin("a.txt")
        with pytest.raises(DiskFull, match="nothing of it was kept"):
            arrival.write(bytes(16 << 20))
    with pytest.raises(DiskFull):
        files.keep("", "r.csv", "fine-tune-results", bytes(16 << 20))
    assert [*(small_disk / "files").iterdir()] == []
    assert files.list() == []
    assert files.keep("", "r.csv", "fine-tune-results", bytes(1 << 20)).num_bytes == 1 << 20


def test_a_home_that_may_only_be_read_takes_nothing(own_state: State, small_disk: Path):
    files = Files(own_state, small_disk, "here")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with (
        closing(files.arrival(ANYBODY, 100, 10)) as arrival,
        pytest.raises(NotAllowed, match="may only read its home"),
    ):
        arrival.begin("a.txt")
