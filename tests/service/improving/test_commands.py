"""`lora-chat improve` and `lora-chat ledger` as a person meets them."""

import json
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner, Result

from finetune.errors import AdapterInvalid
from service.cli import app
from service.errors import JobRefused
from service.improving.ledger import Entry, Ledger
from service.jobs.desk import Desk
from service.state.database import State, open_state
from service.state.tables import LEDGER
from tests.service.improving.conftest import Correct

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("LORA_CHAT_DATABASE", raising=False)
    monkeypatch.setenv("COLUMNS", "120")

    def call(home: Path, *arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--home", str(home)], catch_exceptions=False)

    return call


@pytest.fixture
def own_state(trained_home: Path) -> Generator[State]:
    """That of the home, as the commands open it."""
    with closing(open_state(trained_home)) as state:
        yield state


@pytest.fixture
def trained_home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_a_dry_run_says_what_would_be_trained(run: Run, trained: Path, correct: Correct):
    correct(4)
    shown = run(trained, "improve", "tcm", "--dry-run").stdout
    assert "16 more reviewed corrections are needed" in shown
    assert "tcm@1 goes on with 4 accepted items, 4 of them new." in shown
    assert "measured with: 2" in shown
    assert not (trained / "improving").exists()


@pytest.mark.usefixtures("promoting")
def test_a_round_is_told_and_kept_in_the_ledger(run: Run, trained: Path, correct: Correct):
    correct(40)
    shown = run(trained, "improve", "tcm").stdout
    assert "Promoted. Because." in shown
    assert "adapters promote tcm@1" in shown
    assert "promoted" in run(trained, "ledger").stdout
    (entry,) = json.loads(run(trained, "ledger", "tcm", "--json").stdout)["ledger"]
    assert (entry["before"], entry["after"]) == ("tcm@1", "tcm@2")
    assert json.loads(run(trained, "ledger", "style", "--json").stdout)["ledger"] == []
    with pytest.raises(JobRefused, match="no candidate"):
        run(trained, "improve", "tcm", "--override", "Again.")


def test_an_adapter_that_is_not_there_is_named(run: Run, tmp_path: Path):
    with pytest.raises(AdapterInvalid, match="no adapter 'tcm'"):
        run(tmp_path, "improve", "tcm")


def test_an_empty_ledger_says_what_begins_it(run: Run, tmp_path: Path):
    assert "lora-chat improve" in run(tmp_path, "ledger").stdout


def test_a_changed_ledger_is_noticed(run: Run, trained_home: Path, own_state: State):
    kept = Ledger(own_state, Desk(trained_home).place)
    kept.add(Entry(adapter="tcm", what="refuse", told={"reasons": ["\x1b[2Jno"]}))
    assert "\x1b" not in run(trained_home, "ledger").stdout
    assert "as they were written" in run(trained_home, "ledger", "--verify").output
    with own_state.begin() as connection:
        connection.execute(update(LEDGER).values(what="promote"))
    verified = run(trained_home, "ledger", "--verify")
    assert (verified.exit_code, "Entry 1" in verified.output) == (1, True)


def test_overriding_is_no_dry_run(run: Run, tmp_path: Path):
    assert run(tmp_path, "improve", "tcm", "--dry-run", "--override", "x").exit_code == 2
