"""Exports are loaded back, and compared with what they were made from."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from data.chat import ChatRenderer
from data.errors import DataError
from finetune.adapters.card import SamplingDefaults, read_card
from finetune.adapters.files import CONFIG_FILE, FILES, WEIGHTS_FILE
from finetune.adapters.trained_base import find_trained_base
from finetune.adapters.version import AdapterVersion
from finetune.adapters.versions import find_version
from finetune.bases.base import Base, find_base
from finetune.errors import AdapterInvalid, BaseMismatch, BaseUnusable, ExportRefused
from finetune.export.drift import Drift
from finetune.export.merge import merge_weights
from finetune.export.merged import Merge, export_peft, with_sampling
from finetune.job import Job
from finetune.training.config import TrainConfig

DIALOGUE = "\n\n".join(f"患者：问题{i}，怎么办？\n医生：宜多休息{i}天。" for i in range(16)) + "\n"
OPTIONS: dict[str, Any] = {
    "epochs": 3,
    "learning_rate": 0.01,
    "report_samples": 0,
    "system": "你是中医。",
    "disclaimer": "不是医生。",
    "sampling": {"temperature": 0.3, "max_tokens": 99},
}
IDS = torch.arange(40)[None] + 5


@dataclass(frozen=True, slots=True)
class Trained:
    home: Path
    data: Path
    base: Path
    version: AdapterVersion

    def merge(self, data: Path | None = None, base: Path | None = None) -> Merge:
        found = find_trained_base(self.version, str(base) if base else None, self.home)
        return Merge.prepare(self.version, found, data, self.home)


@dataclass(frozen=True, slots=True)
class Merged:
    folder: Path
    drift: Drift


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, make_base: Any) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    data, base = folder / "医案.txt", make_base("llama")
    data.write_text(DIALOGUE, encoding="utf-8")
    config = TrainConfig.model_validate({"data": data, "base": str(base), **OPTIONS})
    Job(config, folder / "home").execute()
    version = find_version(folder / "home" / "adapters", "医案")
    return Trained(folder / "home", data, base, version)


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory, trained: Trained) -> Merged:
    folder = tmp_path_factory.mktemp("merged") / "out"
    return Merged(folder, trained.merge().export(folder))


def copy_of(version: AdapterVersion, folder: Path) -> AdapterVersion:
    copied = Path(shutil.copytree(version.folder, folder))
    return AdapterVersion(version.name, version.number, copied)


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits


def reference(base: Path, adapter: Path) -> torch.Tensor:
    """PEFT's own, in float32."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    return logits(PeftModel.from_pretrained(model, str(adapter)).merge_and_unload(safe_merge=True))


def difference(left: torch.Tensor, right: torch.Tensor) -> float:
    """As a share of their size, over all logits."""
    return float((left - right).norm() / right.norm())


def test_a_peft_export_is_equal_byte_by_byte_and_peft_can_load_it(trained: Trained, tmp_path: Path):
    out = tmp_path / "new" / "folder"
    export_peft(trained.version, out)
    assert {path.name for path in out.iterdir()} == set(FILES)
    for path in out.iterdir():
        assert path.read_bytes() == (trained.version.folder / path.name).read_bytes()
    assert torch.equal(
        reference(trained.base, out), reference(trained.base, trained.version.folder)
    )


def test_a_merged_export_answers_as_peft_does(trained: Trained, merged: Merged):
    model = AutoModelForCausalLM.from_pretrained(merged.folder)
    assert model.dtype == torch.float16
    expected = reference(trained.base, trained.version.folder)
    plain = logits(AutoModelForCausalLM.from_pretrained(trained.base))
    assert difference(logits(model.float()), expected) < 0.003
    assert difference(plain, expected) > 0.1  # otherwise the adapter is not seen at all


def test_a_merged_export_has_all_that_a_server_needs(trained: Trained, merged: Merged):
    template = (trained.version.folder / "chat_template.jinja").read_text(encoding="utf-8")
    tokenizer: Any = AutoTokenizer.from_pretrained(merged.folder)
    theirs: Any = AutoTokenizer.from_pretrained(trained.base)
    assert tokenizer.chat_template == template
    assert tokenizer.encode("患者：Right then.") == theirs.encode("患者：Right then.")
    assert tokenizer.get_vocab() == theirs.get_vocab()
    generation = json.loads((merged.folder / "generation_config.json").read_text())
    assert (generation["temperature"], generation["max_new_tokens"]) == (0.3, 99)
    assert generation["do_sample"] is True
    assert generation["eos_token_id"] == list(ChatRenderer(theirs, template).end_ids)
    fingerprint = Base("base", trained.base).fingerprint
    found = find_base(str(merged.folder), trained.home)  # as `serve --base` would
    assert fingerprint.differences(found.fingerprint) == []
    assert {path.stat().st_mode & 0o777 for path in merged.folder.iterdir()} == {0o644}


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ({}, {"top_p": 0.6}),
        ({"max_tokens": 9}, {"top_p": 0.6, "max_new_tokens": 9}),
        ({"top_k": 5}, {"top_p": 0.6, "top_k": 5, "do_sample": True}),
        ({"temperature": 0, "max_tokens": 9}, {"max_new_tokens": 9, "do_sample": False}),
    ],
)
def test_the_adapters_sampling_goes_over_the_bases(
    sampling: dict[str, Any], expected: dict[str, Any]
):
    assert with_sampling({"top_p": 0.6}, SamplingDefaults(**sampling)) == expected


def test_the_loss_is_told_before_and_after(trained: Trained, merged: Merged):
    drift, card = merged.drift, read_card(trained.version.folder)
    assert card is not None
    measured = ("base", "training_precision", "adapter")  # when it was trained
    assert (drift.base, drift.trained, drift.unmerged) == pytest.approx(
        tuple(card.metrics[f"held_out_loss_{name}"] for name in measured),
        rel=3e-3,  # in 16 bits training rounds in places of its own
    )
    assert drift.merged == pytest.approx(drift.unmerged, rel=1e-3)
    assert drift.measured_on == "the 5 held-out conversations of 医案.txt"
    readme = (merged.folder / "README.md").read_text(encoding="utf-8")
    assert f"from {drift.trained:.3f} to {drift.merged:.3f}" in readme
    for text in (drift.words, "> 不是医生。", "你是中医。", f"| {drift.unmerged:.4f} |"):
        assert text in readme


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (2.0, 1.9, "5.0% lower; lower is better). The merged model answers at least as well"),
        (2.0, 2.06, "3.0% higher; lower is better). The merged model is a little worse"),
        (2.0, 3.0, "That is much. Serve the adapter beside its 4-bit base"),
    ],
)
def test_the_words_follow_the_numbers(before: float, after: float, said: str):
    assert said in Drift(4.0, None, before, after, "fp32", "x").words


def test_the_drift_is_divided_into_what_causes_it():
    words = Drift(4.0, 2.0, 2.2, 2.31, "fp32", "x").words
    assert "+10.0% comes from leaving the 4-bit weights" in words
    assert "+5.0% from rounding" in words


def test_rows_are_the_held_out_ones_of_the_training_file_and_else_what_is_at_hand(
    trained: Trained, tmp_path: Path
):
    moved = tmp_path / "moved.txt"
    shutil.copyfile(trained.data, moved)
    assert trained.merge(moved).yardstick.words == "the 5 held-out conversations of moved.txt"
    assert trained.merge(moved).yardstick.rows == trained.merge().yardstick.rows
    other = tmp_path / "other.txt"
    other.write_text("患者：新的？\n医生：好的。\n", encoding="utf-8")
    yardstick = trained.merge(other).yardstick
    assert (len(yardstick.rows), yardstick.words.split(",")[0]) == (
        1,
        "1 conversations of other.txt",
    )
    lonely = Trained(tmp_path / "another home", trained.data, trained.base, trained.version)
    assert "shipped sample conversations" in lonely.merge().yardstick.words
    with pytest.raises(DataError, match=r"missing\.txt"):
        trained.merge(tmp_path / "missing.txt")


@pytest.mark.parametrize("kept", ["file", "folder"])
def test_a_folder_that_holds_something_is_refused_and_left_alone(
    trained: Trained, tmp_path: Path, kept: str
):
    out = tmp_path / "out"
    if kept == "file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / "mine.txt").touch()
    for export in (lambda: export_peft(trained.version, out), lambda: trained.merge().export(out)):
        with pytest.raises(ExportRefused, match="Choose a new folder"):
            export()
    assert len(list(tmp_path.rglob("*"))) == (1 if kept == "file" else 2)


def test_an_export_that_fails_leaves_nothing(trained: Trained, tmp_path: Path):
    version = copy_of(trained.version, tmp_path / "damaged")
    tensors = load_file(version.folder / WEIGHTS_FILE)
    tensors[next(iter(tensors))] *= 1e9
    save_file(tensors, version.folder / WEIGHTS_FILE)
    (version.folder / "lora-chat.json").unlink()
    base = Base("base", trained.base)
    with pytest.raises(AdapterInvalid, match="grow beyond what float16 holds"):
        Merge.prepare(version, base, None, tmp_path).export(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["damaged"]


def test_changed_weights_and_other_bases_are_refused(
    trained: Trained, tmp_path: Path, make_base: Any
):
    version = copy_of(trained.version, tmp_path / "changed")
    with (version.folder / CONFIG_FILE).open("a") as file:
        file.write("\n")
    with pytest.raises(AdapterInvalid, match=r"adapter_config\.json of 医案@1 changed"):
        export_peft(version, tmp_path / "out")
    with pytest.raises(BaseMismatch, match="Give its own base with --base"):
        trained.merge(base=make_base("llama", seed=9))
    assert [path.name for path in tmp_path.iterdir()] == ["changed"]


@pytest.mark.parametrize("options", [{"use_rslora": True}, {"rank_pattern": {"q_proj": 2}}])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_base_in_files_of_its_own_type_keeps_both(
    make_base: Any, make_adapter: Any, tmp_path: Path, dtype: torch.dtype, options: dict[str, Any]
):
    base = tmp_path / "base"
    model = AutoModelForCausalLM.from_pretrained(make_base("qwen2", tied=True), dtype=dtype)
    model.save_pretrained(base, max_shard_size="60KB")
    adapter = make_adapter(base, tmp_path / "adapter", **options)
    (tmp_path / "out").mkdir()
    assert f"torch.{merge_weights(base, adapter, tmp_path / 'out')}" == str(dtype)
    names = {path.name for path in base.glob("model*")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert len(names) > 2
    shutil.copyfile(base / "config.json", tmp_path / "out" / "config.json")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    tolerance = 0.02 if dtype == torch.bfloat16 else 0.003
    assert difference(logits(merged), reference(base, adapter)) < tolerance


def test_weights_with_no_place_in_the_base_or_no_float_are_refused(
    make_base: Any, make_adapter: Any, tmp_path: Path
):
    adapter = make_adapter(make_base("llama"), tmp_path / "adapter")
    base = tmp_path / "base"
    shutil.copytree(make_base("llama"), base)
    tensors = load_file(base / "model.safetensors")
    name = "model.layers.1.mlp.up_proj.weight"
    save_file({k: v for k, v in tensors.items() if k != name}, base / "model.safetensors")
    with pytest.raises(BaseMismatch, match=f"has no {name}"):
        merge_weights(base, adapter, tmp_path)
    (base / "model.safetensors").write_bytes(b"cut short")
    with pytest.raises(BaseUnusable, match="cannot be read"):
        merge_weights(base, adapter, tmp_path)
    save_file({k: v.to(torch.int8) for k, v in tensors.items()}, base / "model.safetensors")
    with pytest.raises(BaseUnusable, match="stored as I8"):
        merge_weights(base, adapter, tmp_path)
