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


@pytest.mark.usefixtures("promoting")
def test_a_share_is_given_told_and_decided(run: Run, trained: Path, correct: Correct):
    correct(40)
    shown = run(trained, "improve", "tcm", "--share", "10%").stdout
    assert "Better. Because." in shown
    assert "adapters promote tcm@2" in shown
    told = run(trained, "adapters", "show", "tcm").stdout
    assert "tcm@2 answers 10 percent of the requests" in told, told
    assert "from now on" in run(trained, "adapters", "share", "tcm@2", "25").stdout
    assert "'tcm' means tcm@1" in run(trained, "adapters", "share", "tcm", "0%").stdout
    run(trained, "adapters", "promote", "tcm@2")
    run(trained, "adapters", "rollback", "tcm")
    entries = json.loads(run(trained, "ledger", "tcm", "--json").stdout)["ledger"]
    assert [(each["what"], each["before"], each["after"]) for each in entries] == [
        ("moved", "tcm@2", "tcm@1"),
        ("moved", "tcm@1", "tcm@2"),
        ("moved", "tcm@1", "tcm@1"),
        ("share", "tcm@1", "tcm@2"),
        ("share", "tcm@1", "tcm@2"),
    ]
    assert [each["told"].get("percent") for each in entries[-2:]] == [25, 10]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("adapters", "share", "tcm", "10%"), "say which version"),
        (("adapters", "share", "tcm@2", "ten"), "write such as 10%"),
        (("adapters", "share", "tcm@2", "100%"), "write such as 10%"),
        (("improve", "tcm", "--share", "0%"), "1 to 99 percent"),
        (("improve", "tcm", "--share", "5%", "--override", "Why."), "does not go with"),
    ],
)
def test_what_is_no_share_is_said(run: Run, tmp_path: Path, arguments: list[str], told: str):
    result = run(tmp_path, *arguments)
    assert result.exit_code == 2
    assert told in result.stderr


def test_a_promotion_is_made_although_the_ledger_cannot_be_written(
    run: Run, trained: Path, monkeypatch: pytest.MonkeyPatch
):
    assert Desk(trained).place  # of a home with jobs
    (trained / "state.db").write_bytes(b"no database at all, and long enough to tell" * 9)
    result = run(trained, "adapters", "promote", "tcm@1")
    assert result.exit_code == 0
    assert "The ledger will not know of it" in result.stderr
    assert "'tcm' means tcm@1" in result.stdout
