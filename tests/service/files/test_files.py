"""Files in the database: found, limited, kept apart, expired."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from service.accounts.caller import ANYBODY, Caller, Limits
from service.errors import FileNotFound, LimitReached
from service.files.files import Files
from service.files.stored_file import StoredFile
from service.state.database import State
from service.state.tables import FILES

Add = Callable[..., StoredFile]
Left = Callable[[], list[str]]


@pytest.fixture
def files(state: State, home: Path, clock: Any) -> Files:
    """In each kind of database."""
    return Files(state, home, "here", clock)


def caller(key_id: str, *scopes: Any, **limits: int) -> Caller:
    return Caller(key_id, "k", frozenset(scopes or ("train",)), None, Limits(**limits))


def test_a_file_that_has_come_in_is_found_again(files: Files, add: Add, left: Left):
    anna = caller("anna")
    file = add("问：a\n".encode(), anna, "中医.txt", seconds=3600)
    assert files.find(file.id) == files.find_owned(file.id, anna) == file
    assert files.path(file).read_bytes() == "问：a\n".encode()
    assert (file.filename, file.num_bytes, file.status) == ("中医.txt", 8, "uploaded")
    assert file.expires == file.created + 3600
    assert left() == [file.id, f"{file.id}/中医.txt"]
    assert len(file.id) == len("file-") + 24


def test_what_is_not_the_callers_is_not_there_for_them(files: Files, add: Add):
    file = add(caller=caller("anna"))
    with pytest.raises(FileNotFound):
        files.find_owned(file.id, caller("ben"))
    assert files.find_owned(file.id, caller("root", "admin")) == file
    assert files.find_owned(file.id, ANYBODY) == file  # without keys everybody is an admin


def test_an_id_that_no_file_has_finds_none(files: Files, add: Add):
    add()
    none = "file-" + "0" * 24
    for file_id in ("", "file-", none, none.upper(), f"{none}\n", "file-\0", "../x", "x" * 9999):
        with pytest.raises(FileNotFound):
            files.find(file_id)
        with pytest.raises(FileNotFound):
            files.remove(file_id)


def test_a_key_may_have_so_many_files(files: Files, add: Add, left: Left):
    anna = caller("anna")
    first = add(caller=anna, most=1)
    with pytest.raises(LimitReached, match="max_files"):
        files.arrival(anna, 100, 1)
    add(caller=caller("ben"), most=1)
    files.remove(first.id)
    add(caller=anna, most=1)
    assert len(left()) == 4


def test_a_key_may_have_so_many_bytes_of_files(files: Files, add: Add, left: Left):
    anna = caller("anna", max_file_bytes=10)
    add(b"x" * 6, anna)
    with pytest.raises(LimitReached, match="4 more bytes"):
        add(b"x" * 5, anna)
    add(b"x" * 4, anna)
    with pytest.raises(LimitReached, match="10 bytes of files together, and has 10"):
        files.arrival(anna, 100, 100)
    assert len(left()) == 4


def test_of_two_that_come_at_once_one_is_beyond_the_limit(files: Files, left: Left):
    anna = caller("anna", max_file_bytes=10)
    arrivals = [files.arrival(anna, 100, 100) for _ in range(2)]
    for arrival in arrivals:
        arrival.begin("a.txt")
        arrival.write(b"x" * 6)
        arrival.end()
    kept = files.add(arrivals[0], anna, purpose="fine-tune", most=100)
    with pytest.raises(LimitReached):
        files.add(arrivals[1], anna, purpose="fine-tune", most=100)
    for arrival in arrivals:
        arrival.close()
    assert left() == [kept.id, f"{kept.id}/a.txt"]


def test_files_are_listed_page_by_page(files: Files, add: Add, clock: Any):
    made: list[str] = []
    for step in (0, 0.002, 0.002, 5):  # three of them in one second
        clock.now += step
        made.append(add().id)
    assert [file.id for file in files.list(order="asc")] == sorted(made)
    newest = [file.id for file in files.list()]
    assert newest == sorted(made, reverse=True)
    assert [file.id for file in files.list(after=newest[0], limit=2)] == newest[1:3]
    assert files.list(after=newest[-1]) == []
    assert [file.id for file in files.list(after=made[2], order="asc")] == made[3:]
    with pytest.raises(FileNotFound):
        files.list(after="file-" + "0" * 24)


def test_a_list_is_of_one_owner_and_one_purpose(files: Files, add: Add):
    mine = add(caller=caller("anna"))
    result = files.keep("anna", "r.csv", "fine-tune-results", b"x")
    add(caller=caller("ben"))
    assert {file.id for file in files.list("anna")} == {mine.id, result.id}
    assert files.list("anna", "fine-tune") == [mine]
    assert files.list("anna", "bat\0ch") == []
    assert len(files.list()) == 3


def test_a_file_that_has_expired_is_gone_and_swept(
    files: Files, add: Add, clock: Any, left: Left, state: State
):
    file = add(seconds=3600, caller=caller("anna", max_file_bytes=1))
    stays = add()
    clock.now += 3599
    assert files.find(file.id) == file
    clock.now += 1
    with pytest.raises(FileNotFound):
        files.find(file.id)
    assert files.list() == [stays]
    add(caller=caller("anna", max_file_bytes=1))  # its bytes count no more
    files.sweep()
    assert file.id not in left()
    assert files.path(stays).is_file()
    with state.begin() as connection:
        assert connection.execute(delete(FILES).where(FILES.c.id == file.id)).rowcount == 0


def test_a_check_is_said_once(files: Files, add: Add):
    file = add()
    assert files.unchecked() == [file]
    files.settle(file.id, "error", "a.jsonl:1: wrong", None)
    assert files.unchecked() == []
    found = files.find(file.id)
    assert (found.status, found.status_details) == ("error", "a.jsonl:1: wrong")
    files.settle(file.id, "processed", None, 3)
    assert files.find(file.id) == found
