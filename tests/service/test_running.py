"""Which servers are found on a home."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.running import FOLDER, Announcement, RunningServer, find_running, named_base
from service.server import listen, url_of
from serving.engine import Engine
from serving.scripted import ScriptedEngine

Serve = Callable[[Engine], str]


@pytest.fixture
def url(serve: Serve) -> str:
    return serve(ScriptedEngine())


def entries(home: Path) -> list[Path]:
    return sorted((home / FOLDER).iterdir())


def change(home: Path, **fields: Any) -> Path:
    """Make the only entry that of another server."""
    (path,) = entries(home)
    entry = RunningServer.model_validate_json(path.read_bytes())
    path.write_text(entry.model_copy(update=fields).model_dump_json())
    return path


@contextmanager
def ended_process() -> Generator[int]:
    """The number of a process that has ended, and that its parent has not asked after."""
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        yield process.pid


def test_a_server_is_found_from_when_it_is_ready_until_it_stops(tmp_path: Path, url: str):
    assert find_running(tmp_path) == []
    announcement = Announcement(tmp_path, "smollm2-135m")
    assert find_running(tmp_path) == []
    announcement.make(url)
    (found,) = find_running(tmp_path)
    assert (found.url, found.process_id, found.base) == (url, os.getpid(), "smollm2-135m")
    assert abs((datetime.now(UTC) - found.started).total_seconds()) < 60
    announcement.withdraw()
    assert find_running(tmp_path) == []
    assert entries(tmp_path) == []
    announcement.withdraw()


def test_each_server_has_an_entry_of_its_own_and_the_youngest_comes_first(tmp_path: Path, url: str):
    announcements = [Announcement(tmp_path, base) for base in ("first", "second")]
    for announcement in announcements:
        announcement.make(url)
    assert [server.base for server in find_running(tmp_path)] == ["second", "first"]
    announcements[1].withdraw()
    assert [server.base for server in find_running(tmp_path)] == ["first"]


def test_nobody_but_the_owner_can_write_an_entry(tmp_path: Path, url: str):
    before = os.umask(0)
    try:
        Announcement(tmp_path / "home", "base").make(url)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in entries(tmp_path / "home")]
    assert modes == [0o644]
    assert stat.S_IMODE((tmp_path / "home" / FOLDER).stat().st_mode) == 0o755


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such state")
def test_what_a_killed_server_has_left_is_known_and_removed(tmp_path: Path, url: str):
    Announcement(tmp_path, "killed").make(url)
    with ended_process() as process_id:
        change(tmp_path, process_id=process_id)
        assert find_running(tmp_path) == []
    assert entries(tmp_path) == []
    Announcement(tmp_path, "killed").make(url)
    change(tmp_path, process_id=process_id)
    Announcement(tmp_path, "next").make(url)
    assert [server.base for server in find_running(tmp_path)] == ["next"]
    assert len(entries(tmp_path)) == 1


def test_a_server_that_does_not_answer_is_not_found(tmp_path: Path):
    with listen("127.0.0.1", 0) as listener:
        url = url_of(listener)
    Announcement(tmp_path, "base").make(url)
    assert find_running(tmp_path) == []


@pytest.mark.parametrize("bad", ["http://127.0.0.1:99999", "nonsense", "http://[::1"])
def test_an_address_that_is_none_is_not_found(tmp_path: Path, bad: str):
    Announcement(tmp_path, "base").make(bad)
    assert find_running(tmp_path) == []


def test_another_program_at_the_address_is_not_found(
    tmp_path: Path, serve_app: Callable[..., str], fake_server: Any
):
    url = serve_app(fake_server().build())
    assert httpx.get(f"{url}/v1/models").status_code == 200
    Announcement(tmp_path, "base").make(url)
    assert find_running(tmp_path) == []


def test_a_server_of_another_machine_is_left_alone(tmp_path: Path, url: str):
    Announcement(tmp_path, "base").make(url)
    path = change(tmp_path, machine="elsewhere")
    assert find_running(tmp_path) == []
    assert path.exists()


def test_a_file_that_is_no_entry_is_named_and_left(
    tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture
):
    Announcement(tmp_path, "base").make(url)
    (tmp_path / FOLDER / "a.json").write_text('{"url": 5}')
    assert len(find_running(tmp_path)) == 1
    assert f"{tmp_path / FOLDER / 'a.json'} is no entry" in caplog.text
    assert (tmp_path / FOLDER / "a.json").exists()


def test_a_home_that_cannot_be_written_to_keeps_nobody_from_serving(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "home").write_text("a file: nobody can make a folder of it, root neither")
    announcement = Announcement(tmp_path / "home", "base")
    announcement.make("http://127.0.0.1:8000")
    announcement.withdraw()
    assert "--url http://127.0.0.1:8000 alone" in caplog.text
    assert find_running(tmp_path / "home") == []


@pytest.mark.parametrize(
    ("host", "expected"), [("0.0.0.0", "http://127.0.0.1:"), ("127.0.0.1", "http://127.0.0.1:")]
)
def test_what_listens_everywhere_is_found_on_this_machine(host: str, expected: str):
    with listen(host, 0) as listener:
        port = listener.getsockname()[1]
        assert url_of(listener, from_here=True) == f"{expected}{port}"
        assert url_of(listener) == f"http://{host}:{port}"


def test_a_base_has_one_name_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "base").mkdir()
    monkeypatch.chdir(tmp_path)
    assert named_base("base") == named_base(str(tmp_path / "base")) == str(tmp_path / "base")
    assert named_base("smollm2-135m") == "smollm2-135m"
