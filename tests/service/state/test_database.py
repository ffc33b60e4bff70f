"""The state's database, on SQLite and on a real PostgreSQL alike."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, make_url, text

from service.accounts.caller import Limits
from service.accounts.keys import Keys, KeyWish
from service.errors import StateUnavailable
from service.state.database import STATE_FILE, State, migration_config, open_state
from service.state.tables import METADATA

ROOT = Path(__file__).parents[3]
INSERT_KEY = """
INSERT INTO keys
(id, name, digest, ending, scopes, adapters, requests_per_minute, tokens_per_minute, created)
VALUES (:id, :name, :digest, :ending, :scopes, :adapters, :rpm, :tpm, :created)
"""
OPEN_AND_ADD = """
import sys
from pathlib import Path
from service.accounts.keys import Keys, KeyWish
from service.state.database import open_state
sys.stdin.readline()
state = open_state(Path(sys.argv[1]), sys.argv[2])
Keys(state).create(KeyWish(sys.argv[3]))
state.close()
"""

ADD_AND_STAY = """
import sys
from pathlib import Path
from service.accounts.keys import Keys, KeyWish
from service.state.database import open_state
state = open_state(Path(sys.argv[1]))
Keys(state).create(KeyWish(sys.argv[2]))
print("done", flush=True)
sys.stdin.read()
state.close()
"""


def test_what_was_written_is_there_when_it_is_opened_again(database: str, tmp_path: Path):
    with closing(open_state(tmp_path, database)) as state:
        Keys(state).create(KeyWish("中医"))
    with closing(open_state(tmp_path, database)) as state:
        assert [key.name for key in Keys(state).all()] == ["中医"]


def test_migrations_make_the_tables_that_the_program_expects(state: State):
    with state.begin() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), METADATA)
    assert differences == []


def test_processes_that_open_a_new_database_at_once_all_succeed(database: str, tmp_path: Path):
    names = ["a", "b", "c", "d"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_AND_ADD, str(tmp_path), database, name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    results: list[tuple[int, str]] = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        _, said = process.communicate(timeout=60)
        results.append((process.returncode, said))
    assert results == [(0, "")] * len(names)
    with closing(open_state(tmp_path, database)) as state:
        assert sorted(key.name for key in Keys(state).all()) == names


def test_keys_of_the_first_version_are_as_they_were_and_can_be_given_more(
    database: str, tmp_path: Path
):
    limits = Limits(60, 9_000)
    with closing(_first_version(database)) as old:
        row = {"id": "key_1", "name": "安娜", "digest": "d" * 64, "ending": "1234", "created": 7}
        row |= {"scopes": '["chat"]', "adapters": '["中医"]', "rpm": 60, "tpm": 9_000}
        with old.begin() as connection:
            connection.execute(text(INSERT_KEY), row)
    with closing(open_state(tmp_path, database)) as state:
        keys = Keys(state)
        (key,) = keys.all()
        assert (key.name, key.scopes, key.adapters) == ("安娜", ("chat",), ("中医",))
        assert (key.limits, key.created, key.status(8)) == (limits, 7, "valid")
        keys.create(KeyWish("bert", ("train",), limits=Limits(max_jobs=2, max_file_bytes=10**12)))
        assert keys.find("bert").limits.max_file_bytes == 10**12


def _first_version(database: str) -> State:
    """A database as the first version of the program made it."""
    url = make_url(database)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    state = State(create_engine(url))
    config = migration_config()
    with state.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    return state


def test_a_state_that_is_opened_twice_in_a_process_sees_what_other_processes_write(tmp_path: Path):
    given = [sys.executable, "-c", ADD_AND_STAY, str(tmp_path)]
    with closing(open_state(tmp_path)) as first:
        with closing(open_state(tmp_path)) as second:
            Keys(second).create(KeyWish("a"))
        subprocess.run([*given, "b"], cwd=ROOT, input=b"", stdout=subprocess.DEVNULL, check=True)
        with subprocess.Popen(
            [*given, "c"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other:
            assert other.stdout is not None
            other.stdout.readline()
            assert sorted(key.name for key in Keys(first).all()) == ["a", "b", "c"]


def test_a_database_of_a_newer_program_is_refused_with_advice(database: str, tmp_path: Path):
    with closing(open_state(tmp_path, database)) as state, state.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StateUnavailable, match=r"newer lora-chat .*9999.*Update lora-chat"):
        open_state(tmp_path, database)


def test_a_failed_transaction_leaves_nothing(state: State):
    def fail_half_way() -> None:
        with state.begin() as connection:
            connection.execute(text("INSERT INTO usage VALUES ('', 'tcm', '2026-01-31', 1, 1, 1)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    with state.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM usage")).scalar() == 0


def test_home_is_made_and_its_file_is_the_owners_alone(tmp_path: Path):
    before = os.umask(0)
    try:
        home = tmp_path / "new" / "home"
        with closing(open_state(home)):
            files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
    finally:
        os.umask(before)
    assert STATE_FILE in files
    assert set(files.values()) == {0o600}, files


def test_sqlite_waits_for_other_writers_and_lets_readers_pass(own_state: State):
    with own_state.begin() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,  # full: what is committed survives a power cut
        "foreign_keys": 1,
        "busy_timeout": 15_000,
    }


@pytest.mark.parametrize(
    ("database", "problem"),
    [
        ("no-url", "cannot be read"),
        ("sqlite://", "in memory"),
        ("nosuch://host/name", "No database of the kind 'nosuch'"),
        ("mysql+pymysql://me:secret@host/name", "module pymysql"),
        ("postgresql://me:secret@127.0.0.1:1/name", "does not answer"),
        ("postgresql+psycopg_async://me:secret@127.0.0.1:1/name", "asynchronous"),
    ],
)
def test_a_database_that_cannot_be_used_is_refused_without_its_password(
    database: str, problem: str, tmp_path: Path
):
    with pytest.raises(StateUnavailable) as caught:
        open_state(tmp_path, database)
    assert problem in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_missing_driver_names_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StateUnavailable, match=r"pip install 'lora-chat\[postgres\]'"):
        open_state(tmp_path, "postgresql://me@host/name")


def test_a_file_of_something_else_and_a_folder_are_refused(tmp_path: Path):
    (tmp_path / STATE_FILE).write_text("Dear diary, this is no database.\n" * 100)
    with pytest.raises(StateUnavailable, match="not a database"):
        open_state(tmp_path)
    (tmp_path / "folder" / STATE_FILE).mkdir(parents=True)
    with pytest.raises(StateUnavailable, match="Cannot keep the state in"):
        open_state(tmp_path / "folder")


def test_a_database_that_goes_away_is_said_to(postgres: Callable[[], str], tmp_path: Path):
    database = postgres()
    with (
        closing(open_state(tmp_path, database)) as state,
        closing(open_state(tmp_path, postgres())) as other,
    ):
        name = database.split("/")[3].split("?")[0]
        with other.begin(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        with pytest.raises(StateUnavailable, match="does not answer"):
            Keys(state).all()
