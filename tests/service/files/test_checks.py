"""Who is checked when, and what a server that stops leaves to the next one."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from service.errors import StateUnavailable
from service.files.checks import FileChecks
from service.files.files import Files
from service.files.stored_file import FileStatus, StoredFile
from service.state.database import State
from tests.service.files.conftest import Clock

Add = Callable[..., StoredFile]
RIGHT = b'{"question": "a", "answer": "b"}\n'
MUCH = 1 << 30  # [bytes] of memory


def large() -> bytes:
    """Three megabytes in a few rows."""
    row = json.dumps({"question": "a", "answer": "word " * 60_000})
    return f"{row}\n".encode() * 10


def test_a_small_file_is_checked_before_the_answer(files: Files, add: Add):
    async def run() -> StoredFile:
        checks = FileChecks(files, MUCH, 60)
        async with checks.running():
            return await checks.settle(add(RIGHT), "en")

    file = asyncio.run(run())
    assert (file.status, file.num_conversations, file.status_details) == ("processed", 1, None)


def test_a_large_file_is_checked_later(files: Files, add: Add):
    file = add(large(), limit=1 << 30)

    async def run() -> StoredFile:
        checks = FileChecks(files, MUCH, 60)
        async with checks.running():  # which begins with it, as at a start
            answered = await checks.settle(file, "en")
            await checks.report(file, "en")
            while files.find(file.id).status == "uploaded":
                await asyncio.sleep(0)  # the report is there, and is being written down
            return answered

    assert asyncio.run(run()).status == "uploaded"
    assert files.find(file.id).num_conversations == 10


def test_a_large_file_has_more_time(files: Files, add: Add):
    async def run() -> list[str]:
        checks = FileChecks(files, MUCH, 0)
        contents = RIGHT, large()
        return [(await checks.report(add(each, limit=1 << 30), "en")).status for each in contents]

    assert asyncio.run(run()) == ["error", "processed"]


def test_a_server_that_stops_leaves_what_is_not_checked_to_the_next_start(files: Files, add: Add):
    file, other = add(large(), limit=1 << 30), add(b'{"x": 1}\n')

    async def stop_early() -> None:
        async with FileChecks(files, MUCH, 60).running():
            pass

    async def start_again() -> None:
        checks = FileChecks(files, MUCH, 60)
        async with checks.running():
            for each in (file, other):
                await checks.report(each, "en")
            while files.unchecked():
                await asyncio.sleep(0)

    asyncio.run(stop_early())
    assert {each.id for each in files.unchecked()} == {file.id, other.id}
    asyncio.run(start_again())
    assert files.find(file.id).status == "processed"
    assert (files.find(other.id).status_details or "").startswith("a.jsonl: faults in the data: 1")


def test_a_report_is_made_once_for_all_who_ask(files: Files, add: Add):
    file = add(RIGHT)

    async def run() -> None:
        checks = FileChecks(files, MUCH, 60)
        one, other = await asyncio.gather(checks.report(file, "en"), checks.report(file, "en"))
        files.path(file).unlink()
        assert one is other is await checks.report(file, "en")
        assert (await checks.report(file, "zh")).status == "error"  # there is nothing to read

    asyncio.run(run())


def test_whoever_goes_away_leaves_the_check_to_those_who_stay(files: Files, add: Add):
    file = add(RIGHT)

    async def run() -> None:
        checks = FileChecks(files, MUCH, 60)
        async with checks.running():
            impatient = asyncio.create_task(checks.report(file, "en"))
            await asyncio.sleep(0)
            impatient.cancel()
            assert (await checks.report(file, "en")).num_conversations == 1

    asyncio.run(run())


def test_a_file_that_is_removed_while_it_is_checked_stays_removed(files: Files, add: Add):
    file = add(RIGHT)

    async def run() -> None:
        checks = FileChecks(files, MUCH, 60)
        async with checks.running():
            files.remove(file.id)
            assert (await checks.report(file, "en")).status == "error"

    asyncio.run(run())
    assert files.list() == []


def test_what_expires_while_a_server_runs_leaves_its_disk(files: Files, add: Add, clock: Clock):
    file = add(RIGHT, seconds=3600)

    async def run() -> None:
        async with FileChecks(files, MUCH, 60, sweeps_every=0.01).running():
            assert files.path(file).is_file()
            clock.now += 3601
            while files.path(file).exists():
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(run(), 20))


def test_what_another_server_did_not_check_is_taken_up(files: Files, add: Add, clock: Clock):
    async def run() -> StoredFile:
        async with FileChecks(files, MUCH, 60, looks_every=0.01).running():
            file = add(RIGHT)
            clock.now += 60
            young = add(RIGHT)
            while files.find(file.id).status == "uploaded":
                await asyncio.sleep(0.01)
            return young

    young = asyncio.run(asyncio.wait_for(run(), 20))
    assert [each.id for each in files.unchecked()] == [young.id]


class Unsettled(Files):
    """Fails as nobody expects, or for as long as the database is away."""

    away = 0
    num_failures = 0

    def settle(
        self, file_id: str, status: FileStatus, details: str | None, num_conversations: int | None
    ) -> None:
        if self.away:
            self.away -= 1
            raise StateUnavailable("It is away.")
        if status == "processed":
            self.num_failures += 1
            raise ValueError("nobody expects this")
        super().settle(file_id, status, details, num_conversations)


def test_a_file_whose_check_fails_again_is_one_that_cannot_be_read(
    own_state: State, home: Path, add: Add, clock: Clock, caplog: pytest.LogCaptureFixture
):
    files = Unsettled(own_state, home, "here", clock)
    files.away = 3
    file = add(RIGHT)

    async def run() -> None:
        async with FileChecks(files, MUCH, 60, looks_every=0.01).running():
            clock.now += 60
            while files.find(file.id).status == "uploaded":
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(run(), 20))
    told = files.find(file.id).status_details
    assert (files.num_failures, files.away) == (2, 0)
    assert told == "a.jsonl: it could not be read; the server's log says more"
    assert "nobody expects this" in caplog.text
