"""`lora-chat keys` as a person or a script meets it."""

import json
import os
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from service.accounts.caller import Limits
from service.accounts.keys import Keys, digest_of
from service.accounts.usage import Count, UsageLedger
from service.cli import app
from service.errors import KeyRefused
from service.server import needs_keys
from service.settings import ServiceSettings
from service.state.database import STATE_FILE, State, open_state

KEY = re.compile(r"lc-[\w-]{40,}")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("LORA_CHAT_DATABASE", raising=False)
    monkeypatch.setenv("COLUMNS", "160")

    def call(*arguments: str, typed: str = "") -> Result:
        command = ["keys", *arguments, "--home", str(tmp_path)]
        return CliRunner().invoke(app, command, input=typed, catch_exceptions=False)

    return call


def test_the_key_alone_goes_to_stdout_and_works(run: Any, own_state: State):
    result = run(
        *("create", "安娜", "--scope", "chat", "--scope", "admin", "--adapters", "中医, bike"),
        *("--requests-per-minute", "60", "--tokens-per-minute", "9000", "--expires", "30"),
    )
    secret = result.stdout.removesuffix("\n")
    assert KEY.fullmatch(secret)
    key = Keys(own_state).by_digest()[digest_of(secret)]
    assert (key.name, key.scopes, key.adapters) == ("安娜", ("chat", "admin"), ("中医", "bike"))
    assert key.limits == Limits(60, 9000)
    assert key.expires == key.created + 30 * 86_400
    for said in ("'安娜'", "chat and admin", "中医, bike", "60 requests a minute", "shown again"):
        assert said in result.stderr
    assert secret not in result.stderr


def test_what_a_key_may_train_is_kept_and_listed(run: Any, own_state: State):
    run(
        *("create", "anna", "--scope", "chat", "--scope", "train", "--max-jobs", "3"),
        *("--training-tokens-per-day", "2000000", "--max-file-bytes", "2GB"),
    )
    key = Keys(own_state).find("anna")
    assert key.scopes == ("chat", "train")
    assert key.limits == Limits(
        max_jobs=3, training_tokens_per_day=2_000_000, max_file_bytes=2_000_000_000
    )
    shown = " ".join(run("list").stdout.split())
    assert "chat and train with all models; 3 unfinished jobs" in shown
    assert "2,000,000 tokens of training a day; files of 2.0 GB together" in shown
    (listed,) = json.loads(run("list", "--json").stdout)["keys"]
    assert (listed["max_jobs"], listed["max_file_bytes"]) == (3, 2_000_000_000)


@pytest.mark.parametrize(
    ("wish", "told"), [("asked", "answers stored where asked"), ("off", "no answers stored")]
)
def test_a_key_may_have_its_own_word_on_stored_answers(
    run: Any, own_state: State, wish: str, told: str
):
    assert told in " ".join(run("create", "anna", "--store-answers", wish).stderr.split())
    assert Keys(own_state).find("anna").caller.store_answers == wish
    assert json.loads(run("list", "--json").stdout)["keys"][0]["store_answers"] == wish
    with pytest.raises(KeyRefused, match="off, asked, all"):
        run("create", "ben", "--store-answers", "some")


def test_a_list_never_shows_a_key(run: Any):
    secret = run("create", "anna").stdout.strip()
    run("create", "bert", "--tokens-per-minute", "9000")
    run("revoke", "bert")
    shown, as_json = run("list").stdout, run("list", "--json").stdout
    for text in (shown, as_json):
        assert secret not in text
        assert secret[-4:] in text
        assert digest_of(secret) not in text
    assert "9,000 tokens" in shown
    assert [(key["name"], key["status"]) for key in json.loads(as_json)["keys"]] == [
        ("anna", "valid"),
        ("bert", "revoked"),
    ]


def test_an_empty_list_says_how_to_begin(run: Any):
    assert "lora-chat keys create NAME" in run("list").stdout
    assert json.loads(run("list", "--json").stdout) == {"keys": []}


def test_revoking_takes_a_name_or_an_id(run: Any, own_state: State):
    run("create", "anna")
    run("create", "bert")
    bert = Keys(own_state).find("bert")
    first = run("revoke", "anna").stdout
    assert "'anna'" in first
    assert "No key is valid" not in first
    last = run("revoke", bert.id).stdout
    assert "'bert'" in last
    assert "`lora-chat keys clear` lets everybody on this machine in" in " ".join(last.split())
    assert all(key.revoked for key in Keys(own_state).all())
    with pytest.raises(KeyRefused):
        run("revoke", "anna")


def test_clearing_asks_first(run: Any, own_state: State):
    run("create", "anna")
    assert run("clear", typed="n\n").exit_code == 1
    assert Keys(own_state).are_demanded()
    assert run("clear", "--yes").stdout == "Forgotten: 1 keys.\n"
    assert not Keys(own_state).are_demanded()


def test_usage_names_the_keys(run: Any, own_state: State):
    assert "Nothing" in run("usage").stdout
    run("create", "安娜")
    ledger = UsageLedger(own_state)
    ledger.add(Keys(own_state).find("安娜").id, "中医", Count(2, 3000, 40))
    ledger.add(None, "base", Count(1, 1, 1))
    ledger.add("key_gone", "base", Count(1, 1, 1))
    ledger.flush()
    shown = run("usage", "--days", "1").stdout
    for said in ("安娜", "中医", "3,000", "(no key)", "key_gone"):
        assert said in shown
    usage = json.loads(run("usage", "--json").stdout)["usage"]
    mine = next(line for line in usage if line["model"] == "中医")
    assert mine["key_name"] == "安娜"
    assert (mine["requests"], mine["prompt_tokens"], mine["completion_tokens"]) == (2, 3000, 40)


def test_usage_of_old_days_can_be_left_out(run: Any, own_state: State):
    old = UsageLedger(own_state, clock=lambda: 0.0)
    old.add(None, "base", Count(1, 1, 1))
    old.flush()
    assert json.loads(run("usage", "--days", "7", "--json").stdout) == {"usage": []}
    assert len(json.loads(run("usage", "--json").stdout)["usage"]) == 1


def test_another_database_can_be_named(
    run: Any, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run("create", "anna", "--database", database)
    monkeypatch.setenv("LORA_CHAT_DATABASE", database)
    run("create", "bert")
    with closing(open_state(tmp_path, database)) as state:
        assert sorted(key.name for key in Keys(state).all()) == ["anna", "bert"]
    if not database.startswith("sqlite"):
        assert STATE_FILE not in os.listdir(tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "anna", "--requests-per-minute", "0"),
        ("create", "anna", "--tokens-per-minute", "many"),
        ("create", "anna", "--max-jobs", "0"),
        ("create", "anna", "--max-file-bytes", "-1"),
        ("create", "anna", "--expires", "-1"),
        ("create",),
        ("usage", "--days", "0"),
    ],
)
def test_wrong_usage_exits_with_2(run: Any, arguments: tuple[str, ...]):
    assert run(*arguments).exit_code == 2


def test_a_size_that_is_none_is_told_what_sizes_look_like(run: Any):
    for size in ("much", "2XB"):
        said = run("create", "anna", "--max-file-bytes", size)
        assert said.exit_code == 2
        assert "should be a size, such as 4MiB" in said.stderr
        assert repr(size) in said.stderr


def test_beyond_this_machine_keys_are_needed_until_there_is_one(run: Any, tmp_path: Path):
    for host in ("127.0.0.1", "localhost", "::1"):
        assert not needs_keys(ServiceSettings(host=host, home=tmp_path))
    assert os.listdir(tmp_path) == [], "nothing is opened for a loopback address"
    beyond = ServiceSettings(host="0.0.0.0", home=tmp_path)
    assert needs_keys(beyond)
    run("create", "anna")
    assert not needs_keys(beyond)
    run("revoke", "anna")
    assert not needs_keys(beyond), "it answers nobody then"


def test_the_servers_own_file_names_the_database(run: Any, database: str, tmp_path: Path):
    path = tmp_path / "elsewhere.yaml"
    path.write_text(f"database: {database}\n")
    run("create", "anna", "--config", str(path))
    with closing(open_state(tmp_path, database)) as state:
        assert [key.name for key in Keys(state).all()] == ["anna"]


def test_the_database_of_homes_settings_is_the_one(run: Any, database: str, tmp_path: Path):
    (tmp_path / "serve.yaml").write_text(f"database: {database}\n")
    run("create", "anna")
    with closing(open_state(tmp_path, database)) as state:
        assert [key.name for key in Keys(state).all()] == ["anna"]
