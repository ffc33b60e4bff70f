"""A sound adapter passes every check; each kind of damage fails its own."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from data.chat import ChatRenderer
from finetune.adapters.card import AdapterCard, BaseIdentity, DataSummary
from finetune.adapters.files import CARD_FILE, CONFIG_FILE, TEMPLATE_FILE, WEIGHTS_FILE
from finetune.adapters.fit import Fit
from finetune.adapters.versions import find_version
from finetune.bases.base import Base
from service.cli import app
from serving.adapters.store import AdapterStore
from serving.verification import CHECKS, Subject, verify, verify_served

Change = Callable[[Path], object]
NAMES = [check.name for check in CHECKS]


def edit_weights(change: Callable[[dict[str, Any]], object]) -> Change:
    def edit(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS_FILE)
        change(tensors)
        save_file(tensors, folder / WEIGHTS_FILE)
        forget_hashes(folder)

    return edit


def edit_json(name: str, **values: Any) -> Change:
    def edit(folder: Path) -> None:
        found = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(found | values))

    return edit


forget_hashes = edit_json(CARD_FILE, sha256={})


def poison(tensors: dict[str, Any]) -> None:
    tensors[min(tensors)][0, 0] = float("nan")


def widen(tensors: dict[str, Any]) -> None:
    name = min(tensors)
    tensors[name] = tensors[name].repeat(1, 2)


def misname(tensors: dict[str, Any]) -> None:
    tensors["base_model.model.lm_head.lora_A.weight"] = tensors.pop(min(tensors))


@pytest.fixture
def home(tmp_path: Path, make_base: Any, make_adapter: Any) -> Path:
    """With one sound adapter, tcm@1."""
    base = Base("tiny-llama", make_base("llama"))
    folder = make_adapter(base.folder, tmp_path / "adapters" / "tcm" / "1")
    (folder / "README.md").unlink(missing_ok=True)
    renderer = ChatRenderer(base.tokenizer)
    (folder / TEMPLATE_FILE).write_text(renderer.template, encoding="utf-8")
    AdapterCard(
        name="tcm",
        base=BaseIdentity(id=base.id, fingerprint=base.fingerprint),
        chat_template_sha256=renderer.sha256,
        data=DataSummary(source="x", sha256="", num_conversations=2, num_trained=1, num_held_out=1),
        config={"base": str(base.folder)},
        created=datetime(2025, 1, 1, tzinfo=UTC),
    ).write(folder)
    return tmp_path


def failures(home: Path, reference: str = "tcm", base: Path | None = None) -> dict[str, str]:
    """What each failed check says, with its fix."""
    version = find_version(home / "adapters", reference)
    verdicts = verify(Subject(version, str(base) if base else None, home))
    assert [verdict.check for verdict in verdicts] == NAMES
    return {each.check: f"{each.said} {each.fix}" for each in verdicts if each.passed is False}


def test_a_sound_adapter_passes_with_a_line_for_every_check(home: Path):
    command = ["adapters", "verify", "tcm", "--home", str(home)]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert [line.split()[:2] for line in lines] == [["ok", name] for name in NAMES]


def test_a_damaged_adapter_exits_with_1_and_says_what_and_how_to_mend_it(home: Path):
    edit_weights(poison)(home / "adapters" / "tcm" / "1")
    command = ["adapters", "verify", "tcm@1", "--home", str(home)]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 1
    failed = [line for line in result.output.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1
    assert "tensors   1 of 28 tensors hold values that are no numbers" in failed[0]
    assert failed[0].endswith("Copy the folder again from where it was made, or train again.")
    assert "-       fit       not checked, because of: tensors" in result.output


@pytest.mark.parametrize(
    ("damage", "failed", "said"),
    [
        (lambda f: (f / TEMPLATE_FILE).unlink(), "files", "lacks chat_template.jinja"),
        (lambda f: (f / WEIGHTS_FILE).unlink(), "files", "lacks adapter_model.safetensors"),
        (lambda f: (f / CARD_FILE).write_text("{"), "card", "lora-chat.json is damaged"),
        (edit_json(CONFIG_FILE, lora_alpha=99), "hashes", "adapter_config.json changed"),
        (edit_json(CONFIG_FILE, use_dora=True), "kind", "it uses DoRA"),
        (lambda f: (f / WEIGHTS_FILE).write_bytes(b"x" * 99), "tensors", "is no safetensors file"),
        (edit_weights(poison), "tensors", "no numbers"),
        (edit_weights(widen), "fit", "where A [rank, "),
        (edit_weights(misname), "fit", "lm_head"),
        (lambda f: (f / TEMPLATE_FILE).write_text("x"), "template", "is not the one"),
    ],
)
def test_each_damage_fails_its_own_check(home: Path, damage: Change, failed: str, said: str):
    damage(home / "adapters" / "tcm" / "1")
    found = failures(home, "tcm@1")
    assert said in found[failed]
    # A changed file is seen twice where its hash is known: as changed, and as what is wrong in it.
    assert found.keys() <= {failed, "hashes"}


def test_another_base_or_none_fails(home: Path, make_base: Any):
    assert failures(home, base=make_base("llama")) == {}
    found = failures(home, base=make_base("llama", seed=9))
    assert found.keys() == {"base"}
    assert "the weights are others" in found["base"]
    assert "Give its own base with --base tiny-llama." in found["base"]
    edit_json(CARD_FILE, config={})(home / "adapters" / "tcm" / "1")
    assert "There is no base model 'tiny-llama'" in failures(home)["base"]


def test_a_bare_folder_is_checked_as_far_as_it_goes(home: Path, make_base: Any):
    folder = home / "adapters" / "tcm" / "1"
    for name in (CARD_FILE, TEMPLATE_FILE):
        (folder / name).unlink()
    folder.rename(home / "adapters" / "bare")
    assert failures(home, "bare", make_base("llama")) == {}
    assert failures(home, "bare", make_base("qwen3")).keys() == {"fit"}
    assert "There is no base model 'tiny-llama'" in failures(home, "bare")["base"]


def test_an_older_card_without_hashes_passes(home: Path):
    forget_hashes(home / "adapters" / "tcm" / "1")
    assert failures(home) == {}


def test_a_server_checks_against_the_base_that_it_has_and_looks_for_none(
    home: Path, make_base: Any
):
    version = find_version(home / "adapters", "tcm")
    edit_json(CARD_FILE, config={})(version.folder)  # what names its base
    own, other = (Base("tiny-llama", make_base("llama", seed=seed)) for seed in (0, 9))
    served = AdapterStore(home / "adapters", own.fingerprint, Fit(own))
    assert all(verdict.passed for verdict in verify_served(version, served))
    another = AdapterStore(home / "adapters", other.fingerprint, Fit(other))
    *_, last = verify_served(version, another)
    assert (last.check, last.passed) == ("served", False)
    assert last.said.startswith("The adapter tcm@1 was trained on 'tiny-llama'")


def test_what_the_torch_engine_does_not_run_passes_and_the_others_are_named(
    tmp_path: Path, make_base: Any, make_adapter: Any
):
    for family, engine in (("gemma2", "llama.cpp on a GGUF file"), ("phi", "--engine vllm")):
        base, home = make_base(family), tmp_path / family
        make_adapter(base, home / "adapters" / "tcm")
        version = find_version(home / "adapters", "tcm")
        verdicts = {each.check: each for each in verify(Subject(version, str(base), home))}
        assert all(each.passed for each in verdicts.values())
        assert engine in verdicts["engine"].said
