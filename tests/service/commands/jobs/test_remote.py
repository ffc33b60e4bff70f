"""`lora-chat finetune --server` as a person calls it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from service.cli import app
from tests.service.fine_tuning_server import DONE, FakeFineTuning, event, step

Serve = Callable[..., str]
COURSE = (event(1, "Fine-tuning job started"), step(1, 2), step(2, 2, full_valid_loss=1.5), DONE)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "clinic.txt"
    path.write_text("Q: a?\nA: b.\n")
    return path


@pytest.fixture
def finetune(
    serve_app: Serve, data: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Result, str]]:
    """Run the command against a server; returns what came of it, and the server's URL."""
    monkeypatch.delenv("LORA_CHAT_KEY", raising=False)

    def call(fake: FakeFineTuning, *options: str, file: Path = data) -> tuple[Result, str]:
        url = serve_app(fake.build())
        return CliRunner().invoke(app, ["finetune", str(file), "--server", url, *options]), url

    return call


def test_another_machine_trains_and_this_one_shows_it(finetune: Any, data: Path, tmp_path: Path):
    fake = FakeFineTuning(connections=(COURSE,))
    result, url = finetune(fake, "--home", str(tmp_path / "home"))
    assert result.exit_code == 0, result.output
    assert fake.sent == [("clinic.txt", data.read_bytes(), "fine-tune")]
    assert fake.wanted == [{"model": "small", "training_file": "file-1"}]
    assert "step 1 of 2" in result.stderr
    assert "loss 2.50, held out 1.50" in result.stderr
    assert result.stdout.splitlines() == [
        f"Adapter tcm@4, on {url}",
        f"Ask it: lora-chat chat tcm@4 --url {url}",
    ]
    assert not (tmp_path / "home").exists()


def test_what_the_api_knows_of_the_options_is_sent(finetune: Any, tmp_path: Path):
    fake = FakeFineTuning(connections=((DONE,), (DONE,)), file=("processed",) * 3)
    plan = ("epochs=3", "batch_size=4", "learning_rate_multiplier=0.5", "seed=7")
    sets = [part for each in plan for part in ("--set", each)]
    finetune(fake, "--name", "tcm", "--base", "big", "--promote", *sets)
    measured = tmp_path / "measured.txt"
    measured.write_text("Q: c?\nA: d.\n")
    finetune(fake, "--from", "bike", "--no-promote", "--validation", str(measured))
    assert [name for name, _, _ in fake.sent] == ["clinic.txt", "clinic.txt", "measured.txt"]
    numbers = {"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 0.5}
    first, second = fake.wanted
    assert first.pop("method") == {"type": "supervised", "supervised": {"hyperparameters": numbers}}
    named = {"model": "big", "suffix": "tcm", "seed": 7, "promote": True}
    assert first == named | {"training_file": "file-1"}
    files = {"training_file": "file-1", "validation_file": "file-1"}
    assert second == {"model": "bike", "promote": False} | files


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("--rank", "8", "--set", "dropout=0.1"), "dropout, rank"),
        (("--resume", "--dry-run"), "--resume, --dry-run"),
        (("--sweep", "rank=1,2", "--processes", "2"), "--sweep, --processes"),
        (("--from", "tcm", "--base", "small"), "base"),
    ],
)
def test_what_the_api_does_not_know_is_refused_by_name(
    finetune: Any, options: tuple[str, ...], names: str
):
    fake = FakeFineTuning()
    result, _ = finetune(fake, *options)
    assert result.exit_code == 2
    assert f"does not know it: {names}" in " ".join(result.stderr.replace("│", "").split())
    assert fake.sent == []


def test_a_folder_is_no_file(finetune: Any, tmp_path: Path):
    result, _ = finetune(FakeFineTuning(), file=tmp_path)
    assert result.exit_code == 2
    assert "is no file" in result.stderr


def test_a_key_of_the_environment_is_sent(finetune: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LORA_CHAT_KEY", "lc-secret")
    result, _ = finetune(FakeFineTuning(connections=((DONE,),), key="lc-secret"))
    assert result.exit_code == 0, result.output


def test_faults_of_the_file_are_said_as_if_they_had_been_found_here(finetune: Any):
    fake = FakeFineTuning(file=("error",), details="clinic.txt:1: no answer follows")
    result, _ = finetune(fake)
    assert result.exit_code == 1
    assert str(result.exception) == "clinic.txt:1: no answer follows"
    assert fake.wanted == []


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        ("failed", "It has seven examples.", "Error: It has seven examples."),
        ("cancelled", None, "The job was cancelled."),
    ],
)
def test_a_job_that_does_not_succeed_ends_the_command_with_1(
    finetune: Any, status: str, error: str | None, said: str
):
    told = event(1, "It has seven examples.") | {"level": "error"}
    result, _ = finetune(FakeFineTuning(connections=((told, DONE),), status=status, error=error))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1] == said
    assert result.stderr.count("seven examples") == (status == "failed")


def test_a_job_of_a_server_is_followed_later(serve_app: Serve):
    url = serve_app(FakeFineTuning(connections=(COURSE,)).build())
    given = ["jobs", "follow", "ftjob-1", "--server", f"{url}/v1", "--key", "lc-any"]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    assert "step 2 of 2" in result.stderr
    assert "Ask it: lora-chat chat tcm@4" in result.stdout
