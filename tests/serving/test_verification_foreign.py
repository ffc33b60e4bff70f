"""What `verify` says of adapters from elsewhere, and with which exit code."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from finetune.bases.base import find_base
from finetune.export.importing import import_adapter
from service.cli import app
from tests.foreign_adapters import (
    REFUSED,
    TO_IMPORT,
    Write,
    lora_tensors,
    pickled,
    without_effect,
    write_adapter,
)

TOKENS = {"added_tokens.json": '{"<PAT>": 320}'}


@pytest.fixture
def base(make_base: Any, tmp_path: Path) -> Path:
    """A base whose folder is called as the adapters name theirs."""
    return shutil.copytree(make_base("llama"), tmp_path / "SmolLM2-135M-Instruct")


def verify(home: Path, base: Path | None, name: str = "it") -> tuple[int, dict[str, str]]:
    """The exit code, and by check the lines that are not ok."""
    command = ["adapters", "verify", name, "--home", str(home)]
    options = ["--base", str(base)] if base else []
    result = CliRunner().invoke(app, [*command, *options], catch_exceptions=False)
    lines = [line.split(maxsplit=2) for line in result.stdout.splitlines()]
    assert all(len(line) == 3 for line in lines), result.output
    return result.exit_code, {name: f"{mark} {said}" for mark, name, said in lines if mark != "ok"}


def write(home: Path, form: Write) -> None:
    form(home / "adapters" / "it")


def test_an_adapter_from_elsewhere_passes_on_its_own_base(base: Path, tmp_path: Path):
    write(tmp_path, write_adapter)
    assert verify(tmp_path, base) == (0, {})


@pytest.mark.parametrize(
    ("form", "check", "said"),
    [
        (REFUSED["other base"][0], "base", "was trained on 'meta-llama/Llama-2-7b-chat-hf'"),
        (REFUSED["not instruct"][0], "base", "here is 'SmolLM2-135M-Instruct'"),
        (REFUSED["other ranks"][0], "ranks", "has rank 2 at model.layers.0.self_attn.v_proj"),
        (REFUSED["prompt tuning"][0], "kind", "peft_type PROMPT_TUNING"),
        (TO_IMPORT["adapter's name"][0], "fit", "lora_A.default.weight"),
        (
            lambda f: write_adapter(f, target_modules=["q_proj", "v_proj", "k_proj"]),
            "complete",
            "2 modules that it has no tensors for, model.layers.0.self_attn.k_proj",
        ),
        (
            lambda f: pickled(write_adapter(f)),
            "files",
            "it is an older PEFT adapter, in adapter_model.bin. `lora-chat adapters import` makes",
        ),
    ],
)
def test_what_is_wrong_fails_its_own_check(
    form: Write, check: str, said: str, base: Path, tmp_path: Path
):
    write(tmp_path, form)
    code, found = verify(tmp_path, base)
    failed = [name for name, line in found.items() if line.startswith("FAILED")]
    assert (code, failed) == (1, [check])
    assert said in found[check]


@pytest.mark.parametrize(
    ("form", "check", "said"),
    [
        (lambda f: write_adapter(f, without_effect(lora_tensors())), "effect", "A or B is zero"),
        (lambda f: write_adapter(f, lora_alpha=0), "effect", "alpha is 0"),
        (lambda f: write_adapter(f, files=TOKENS), "tokens", "adds 1 to the base's (<PAT>)"),
    ],
)
def test_what_is_doubtful_is_a_warning(
    form: Write, check: str, said: str, base: Path, tmp_path: Path
):
    write(tmp_path, form)
    code, found = verify(tmp_path, base)
    assert (code, list(found)) == (0, [check])
    assert found[check].startswith("warning")
    assert said in found[check]


def test_one_imported_is_verified_against_the_base_that_its_import_had(base: Path, tmp_path: Path):
    source = pickled(write_adapter(tmp_path / "source", files=TOKENS))
    found = find_base(str(base), tmp_path)
    import_adapter(source, "it", found, tmp_path / "adapters", spec=str(base))
    assert verify(tmp_path, None)[0] == 0
    assert verify(tmp_path, None)[1].keys() == {"tokens"}


def test_a_base_that_was_accepted_stays_a_warning(base: Path, tmp_path: Path):
    source = REFUSED["other base"][0](tmp_path / "source")
    found = find_base(str(base), tmp_path)
    adapters = tmp_path / "adapters"
    import_adapter(source, "it", found, adapters, accept_base=True, spec=str(base))
    code, said = verify(tmp_path, None)
    assert (code, said.keys()) == (0, {"base"})
    assert "although its configuration names 'meta-llama/Llama-2-7b-chat-hf'" in said["base"]


def test_the_packaged_base_is_known_by_its_hub_name_with_the_hub_out_of_reach(
    default_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As `adapters import` advises: import, then verify, without --base."""
    import huggingface_hub.constants as constants
    import numpy as np

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "bases").symlink_to(default_home / "bases")
    tensors = {
        f"base_model.model.model.layers.{layer}.self_attn.q_proj.lora_{side}.weight": np.ones(
            shape, np.float32
        )
        for layer in range(30)
        for side, shape in (("A", (1, 576)), ("B", (576, 1)))
    }
    source = write_adapter(tmp_path / "source", tensors, rank=1, target_modules=["q_proj"])
    command = ["adapters", "import", str(source), "--name", "it", "--home", str(tmp_path)]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.stdout == "it@1 is there. `lora-chat adapters verify it@1` checks it.\n"
    assert verify(tmp_path, None, "it@1") == (0, {})
    shutil.copytree(source, tmp_path / "adapters" / "bare")
    assert verify(tmp_path, None, "bare") == (0, {})
