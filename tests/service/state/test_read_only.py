"""A home that may not be written: its keys count, and nothing is put down."""

import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from service.accounts.keys import Keys, KeyWish
from service.accounts.usage import Count, UsageLedger, read_usage
from service.errors import StateUnavailable
from service.state.database import STATE_FILE, open_state
from service.state.read_only import open_read_only, open_served_state

ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with a key in it."""
    with closing(open_state(tmp_path)) as state:
        Keys(state).create(KeyWish("中医"))
    return tmp_path / STATE_FILE


def test_a_home_that_may_be_written_is_opened_as_ever(tmp_path: Path):
    state = open_served_state(tmp_path / "new")
    assert state is not None
    with closing(state):
        assert not state.is_read_only
        Keys(state).create(KeyWish("anna"))


def test_keys_are_read_and_none_is_made(path: Path):
    before = path.read_bytes()
    with closing(open_read_only(path)) as state:
        assert [key.name for key in Keys(state).all()] == ["中医"]
        with pytest.raises(StateUnavailable, match="readonly"):
            Keys(state).create(KeyWish("anna"))
    assert [each.name for each in path.parent.iterdir()] == [STATE_FILE]
    assert path.read_bytes() == before


def test_what_another_process_has_written_last_is_read_too(path: Path):
    with closing(open_state(path.parent)) as other:
        Keys(other).create(KeyWish("anna"))
        assert path.with_name("state.db-wal").stat().st_size
        with closing(open_read_only(path)) as state:
            assert {key.name for key in Keys(state).all()} == {"中医", "anna"}


def test_usage_is_not_counted(path: Path):
    with closing(open_read_only(path)) as state:
        ledger = UsageLedger(state)
        ledger.start()
        ledger.add(None, "tcm", Count(1, 2, 3))
        ledger.stop()
        assert read_usage(state, None, 0) == []


def test_tables_that_would_have_to_be_changed_are_refused(path: Path):
    with closing(open_state(path.parent)) as state, state.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    with pytest.raises(StateUnavailable, match="of an older lora-chat"):
        open_read_only(path)


# Root may write everywhere; without this capability, where others may.
AS_OTHERS = ("setpriv", "--bounding-set=-dac_override") if os.geteuid() == 0 else ()
OPEN = """
import sys
from pathlib import Path
from service.state.read_only import open_served_state
state = open_served_state(Path(sys.argv[1]))
print(state and state.is_read_only)
"""


@pytest.mark.skipif(bool(AS_OTHERS) and not shutil.which("setpriv"), reason="no setpriv here")
@pytest.mark.parametrize(("place", "is_read_only"), [("", True), ("nothing/here", None)])
def test_what_may_not_be_written_is_noticed(place: str, is_read_only: bool | None, path: Path):
    path.parent.chmod(0o555)
    try:
        command = [*AS_OTHERS, sys.executable, "-c", OPEN, path.parent / place]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    finally:
        path.parent.chmod(0o755)
    assert (done.stdout, done.stderr) == (f"{is_read_only}\n", "")
