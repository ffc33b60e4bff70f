"""Promoting, going back and removing, as a person types it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from finetune.adapters.files import WEIGHTS_FILE
from finetune.adapters.versions import list_names, list_versions, promoted_version
from finetune.errors import AdapterInvalid
from service.cli import app

AddAdapter = Callable[..., Path]


@pytest.fixture(autouse=True)
def _three_versions(add_adapter: AddAdapter) -> None:
    for version in ("1", "2", "3"):
        add_adapter("tcm", version)


def run(adapters: Path, *arguments: str, answer: str = "") -> str:
    """Returns what it says; raises what it raises."""
    command = ["adapters", *arguments, "--home", str(adapters.parent)]
    result = CliRunner().invoke(app, command, input=answer, catch_exceptions=False)
    return result.output


def test_promoting_and_going_back(adapters: Path):
    assert "'tcm' means tcm@1 from now on" in run(adapters, "promote", "tcm@1")
    assert promoted_version(adapters, "tcm") == "1"
    run(adapters, "promote", "tcm@3")
    assert "'tcm' means tcm@2 from now on" in run(adapters, "rollback", "tcm")
    assert promoted_version(adapters, "tcm") == "2"


def test_promoting_what_is_not_there_or_cannot_be_served_changes_nothing(adapters: Path):
    (adapters / "tcm" / "2" / WEIGHTS_FILE).unlink()
    for reference, problem in (
        ("tcm@9", "no adapter 'tcm@9'"),
        ("tcm@2", "holds no adapter_model"),
    ):
        with pytest.raises(AdapterInvalid, match=problem):
            run(adapters, "promote", reference)
    assert "say which version, such as tcm@1" in run(adapters, "promote", "tcm")
    assert "give the name alone" in run(adapters, "rollback", "tcm@2")
    assert promoted_version(adapters, "tcm") == "3"


def test_a_version_is_removed_when_the_question_is_answered_with_yes(adapters: Path):
    run(adapters, "remove", "tcm@2", answer="n\n")
    run(adapters, "remove", "tcm@2", answer="")
    assert list_versions(adapters, "tcm") == ["1", "2", "3"]
    said = run(adapters, "remove", "tcm@2", answer="y\n")
    assert "Remove tcm@2? It cannot be brought back." in said
    assert said.endswith("Removed tcm@2.\n")
    assert list_versions(adapters, "tcm") == ["1", "3"]


def test_the_promoted_one_of_several_goes_only_with_yes_and_the_one_before_takes_its_place(
    adapters: Path,
):
    with pytest.raises(AdapterInvalid, match=r"Promote one of them first: .* promote tcm@2\."):
        run(adapters, "remove", "tcm@3", answer="y\n")
    assert list_versions(adapters, "tcm") == ["1", "2", "3"]
    said = run(adapters, "remove", "tcm@3", "--yes")
    assert said == "'tcm' means tcm@2 from now on.\nRemoved tcm@3.\n"
    assert promoted_version(adapters, "tcm") == "2"


def test_a_name_alone_is_removed_with_all_its_versions(adapters: Path, add_adapter: AddAdapter):
    add_adapter("style")
    said = run(adapters, "remove", "tcm", answer="y\n")
    assert "Remove 'tcm' with all its versions (1, 2, 3)?" in said
    assert list_names(adapters) == ["style"]
    assert run(adapters, "remove", "style@1", "--yes") == "Removed style@1.\n"
    assert list(adapters.iterdir()) == []


@pytest.mark.parametrize("reference", ["tmc", "tcm@4", "../adapters/tcm", "tcm@../tcm/1", ".."])
def test_nothing_else_can_be_removed(adapters: Path, reference: str):
    with pytest.raises(AdapterInvalid, match="There is no adapter"):
        run(adapters, "remove", reference, "--yes")
    assert list_versions(adapters, "tcm") == ["1", "2", "3"]
