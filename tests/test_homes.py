"""Homes of earlier versions work on.

`homes/home-0.1.0.tar.gz` was made by the commands of 0.1.0, on a tiny base of random weights: two
finished runs of `finetune workshop.txt`, the first version promoted again, a third run that was
killed after its second step, two keys, and a server that was asked with one of them. Its
`expected.json` has what 0.1.0 answered and how 0.1.0 ended the killed run.
"""

import json
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from finetune.adapters.versions import list_names, list_versions, promoted_version
from finetune.training.run import METRICS_FILE, Run, read_state
from service.accounts.keys import Keys, digest_of
from service.cli import app
from service.server import serving_in_background
from service.settings import ServiceSettings
from service.state.database import open_state

HOME = Path(__file__).parent / "homes" / "home-0.1.0.tar.gz"
ASKED = {
    "messages": [{"role": "user", "content": "My chain skips."}],
    "max_tokens": 12,
    "temperature": 0,
    "ignore_eos": True,
}


@pytest.fixture(autouse=True)
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which 0.1.0 was at work; this process stands in it."""
    with tarfile.open(HOME) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LORA_CHAT_DATABASE", raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path


@pytest.fixture
def expected(old: Path) -> dict[str, Any]:
    return json.loads((old / "expected.json").read_text(encoding="utf-8"))


def run(*arguments: str) -> str:
    command = [*arguments, "--home", "home"]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def losses_of(run: Run) -> list[list[float | None]]:
    return [[step.loss, step.eval_loss] for step in run.metrics()]


def test_adapters_are_listed_and_the_promoted_version_is_still_the_one(old: Path):
    assert "tiny-llama" in run("adapters", "list")
    adapters = old / "home" / "adapters"
    assert list_names(adapters) == ["workshop"]
    assert list_versions(adapters, "workshop") == ["1", "2"]
    assert promoted_version(adapters, "workshop") == "1"
    run("adapters", "promote", "workshop@2")
    assert promoted_version(adapters, "workshop") == "2"


@pytest.mark.parametrize("version", ["1", "2"])
def test_every_check_passes_on_a_version(version: str):
    checked = run("adapters", "verify", f"workshop@{version}", "--base", "tiny-llama")
    assert {line.split()[0] for line in checked.splitlines()} == {"ok"}


def test_base_and_versions_answer_as_they_did(old: Path, expected: dict[str, Any]):
    settings = ServiceSettings(home=old / "home", base="tiny-llama", precision="fp32")
    with serving_in_background(settings) as url, httpx.Client(base_url=f"{url}/v1") as client:
        listed = client.get("/models").json()["data"]
        assert {"tiny-llama", "workshop"} <= {model["id"] for model in listed}
        for model, answer in expected["answers"].items():
            response = client.post("/chat/completions", json=ASKED | {"model": model}, timeout=60)
            assert response.json()["choices"][0]["message"]["content"] == answer
        promoted = client.post("/chat/completions", json=ASKED | {"model": "workshop"}, timeout=60)
        answer = promoted.json()["choices"][0]["message"]["content"]
        assert answer == expected["answers"]["workshop@1"]


def test_keys_and_their_usage_are_still_known(old: Path, expected: dict[str, Any]):
    keys = {key["name"]: key for key in json.loads(run("keys", "list", "--json"))["keys"]}
    assert keys.keys() == {"anna", "bert"}
    assert keys["bert"]["adapters"] == ["workshop"]
    with closing(open_state(old / "home")) as state:
        assert Keys(state).by_digest()[digest_of(expected["secret"])].name == "anna"
    usage = json.loads(run("keys", "usage", "--json"))["usage"]
    assert {(row["key_name"], row["model"], row["requests"]) for row in usage} == {
        ("anna", "tiny-llama", 1),
        ("anna", "workshop", 2),
    }


def test_a_run_that_was_killed_goes_on_as_it_would_have(old: Path, expected: dict[str, Any]):
    folder = old / "home" / "runs" / "workshop-3"
    killed = Run(folder, read_state(folder))
    assert losses_of(killed) == expected["losses"][:2]
    given = ["finetune", "workshop.txt", "--base", "tiny-llama", "--rank", "2", "--report", "none"]
    values = ["epochs=4", "save_steps=1", "learning_rate=0.01"]
    run(*given, *(part for value in values for part in ("--set", value)), "--resume")
    assert read_state(folder).adapter == "workshop@3"
    pairs = zip(losses_of(killed), expected["losses"], strict=True)
    for number, (step, before) in enumerate(pairs, start=1):
        # Made in bfloat16, whose steps are 2^-8 of a value; a processor that has none computes in
        # fp32. What is measured is rounded once, and every step before it twice: forward and back.
        assert step == pytest.approx(before, rel=(2 * number - 1) * 2**-8)
    assert (folder / METRICS_FILE).read_text().count("\n") == 8


def test_the_metrics_of_a_finished_run_are_read(old: Path):
    folder = old / "home" / "runs" / "workshop-1"
    finished = Run(folder, read_state(folder))
    assert finished.state.adapter == "workshop@1"
    assert [step.step for step in finished.metrics()] == [1, 2, 3, 4]
