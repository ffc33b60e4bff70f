"""Bases of families that our kernels do not know: whole jobs, beside transformers and PEFT."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from finetune.errors import TrainingStopped
from finetune.job import Job
from finetune.prepared import Prepared
from finetune.training.config import TrainConfig
from finetune.training.observer import Silent, StepMetrics
from serving.verification import Subject, verify
from tests.finetune.kernels.models import losses_alone

DIALOGUE = "\n\n".join(f"患者：问题{i}，怎么办？\n医生：宜多休息{i}天。" for i in range(16)) + "\n"
PLAIN: dict[str, Any] = {"quantize": "none", "dropout": 0.0, "report": "none", "epochs": 2}


class Observer(Silent):
    def __init__(self, stop_after: int | None = None) -> None:
        self.losses: list[float] = []
        self.stages: list[str] = []
        self.stop_after = stop_after

    def on_stage(self, text: str) -> None:
        self.stages.append(text)

    def on_step(self, metrics: StepMetrics) -> None:
        self.losses.append(metrics.loss)

    def should_stop(self) -> bool:
        return len(self.losses) == self.stop_after


def job(folder: Path, base: Path, stop_after: int | None = None, **options: Any) -> Job:
    data = folder / "医案.txt"
    data.write_text(DIALOGUE, encoding="utf-8")
    values = {"data": data, "base": str(base), "learning_rate": 0.01, "seed": 7, **options}
    return Job(TrainConfig.model_validate(values), folder / "home", Observer(stop_after))


def losses_by_hand(base: Path, prepared: Prepared) -> list[float]:
    """A loop of transformers, PEFT and torch alone over the same windows, rows padded together."""
    torch.manual_seed(prepared.config.seed)
    model: Any = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
        LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    ).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1.0)
    optimizer.param_groups[0]["weight_decay"] = 0.0
    losses: list[float] = []
    for step, window in enumerate(prepared.plan.windows):
        rows = [prepared.dataset.rows[i] for i in window]
        longest = max(len(row.token_ids) for row in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        labels, mask = torch.full_like(ids, -100), torch.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row.token_ids)] = torch.tensor(row.token_ids)
            mask[i, : len(row.token_ids)] = 1
            labels[i, : len(row.token_ids)] = torch.tensor(row.token_ids).where(
                torch.tensor(row.trained), -100
            )
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), prepared.config.max_grad_norm)
        optimizer.param_groups[0]["lr"] = prepared.plan.learning_rate_at(step)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("family", ["gemma2", "phi"])
def test_a_runs_losses_are_those_of_transformers_and_peft(
    family: str, make_base: Any, tmp_path: Path
):
    base = make_base(family)
    ours = job(tmp_path, base, **PLAIN)
    prepared = ours.prepare()
    version = ours.execute(prepared=prepared).version
    assert isinstance(ours.observer, Observer)
    assert ours.observer.losses == pytest.approx(losses_by_hand(base, prepared), rel=1e-3)
    assert any(
        "Training on the CPU with PEFT's own layers" in each for each in ours.observer.stages
    )
    verdicts = verify(Subject(version, None, tmp_path / "home"))
    assert [each for each in verdicts if not each.passed] == []


@pytest.mark.parametrize("family", ["gemma2", "phi"])
def test_a_run_resumed_is_the_run_uninterrupted(family: str, make_base: Any, tmp_path: Path):
    options: dict[str, Any] = {"dropout": 0.1, "report": "none", "epochs": 2, "save_steps": 1}
    base = make_base(family)
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = job(tmp_path / "whole", base, **options).execute()
    with pytest.raises(TrainingStopped):
        job(tmp_path / "parts", base, stop_after=2, **options).execute()
    parts = job(tmp_path / "parts", base, **options).execute(resume=True)
    one, other = (
        load_file(each.version.folder / "adapter_model.safetensors") for each in (whole, parts)
    )
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], atol=1e-6, rtol=1e-4)
    assert losses_told(parts.run) == pytest.approx(losses_told(whole.run))


def losses_told(run: Path) -> list[float]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


def test_peft_loads_the_result_and_finds_what_was_held_out_as_likely(
    make_base: Any, tmp_path: Path
):
    base = make_base("gemma3_text")
    options: dict[str, Any] = PLAIN | {"report": "full", "report_samples": 1}
    done = job(tmp_path, base, **options)
    prepared = done.prepare()
    result = done.execute(prepared=prepared)
    assert result.adapter_loss < 0.9 * result.base_loss
    assert result.training_loss == pytest.approx(result.adapter_loss, rel=1e-4)
    model: Any = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base), str(result.version.folder)
    )
    held_out = prepared.dataset.held_out
    counts = torch.tensor([row.num_trained for row in held_out])
    loss = (losses_alone(model, held_out) * counts).sum() / counts.sum()
    assert loss.item() == pytest.approx(result.adapter_loss, rel=1e-4)


def test_what_serves_it_is_said_before_training(
    make_base: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    expected = {
        "gemma2": (
            "The torch engine does not serve this base",
            "llama.cpp on a GGUF file",
            "--engine vllm",
        ),
        "phi": ("Neither the torch engine nor llama.cpp's serves this base", "--engine vllm"),
    }
    for family, parts in expected.items():
        caplog.clear()
        job(tmp_path, make_base(family)).prepare()
        (told,) = (each for each in caplog.messages if "torch engine" in each)
        assert all(part in told for part in parts)
        assert f"its architecture is '{family}'" in told
    caplog.clear()
    job(tmp_path, make_base("llama")).prepare()
    assert "torch engine" not in caplog.text


def test_a_dry_run_measures_another_family_too(make_base: Any, tmp_path: Path):
    ours = job(tmp_path, make_base("phi"), epochs=1)
    rehearsal = ours.rehearse()
    assert rehearsal.tokens_per_second > 0
    assert rehearsal.memory_bytes > 0
    assert isinstance(ours.observer, Observer)
    assert "Measuring a few steps, with PEFT's own layers" in ours.observer.stages


PAIRS = "\n".join(
    json.dumps(
        {
            "input": {"messages": [{"role": "user", "content": f"问题{i}，怎么办？"}]},
            "preferred_output": [{"role": "assistant", "content": f"宜多休息{i}天。"}],
            "non_preferred_output": [{"role": "assistant", "content": f"No idea {i}."}],
        },
        ensure_ascii=False,
    )
    for i in range(16)
)


def test_it_learns_from_preferences_and_goes_on_with_corrections(make_base: Any, tmp_path: Path):
    base = make_base("gemma2")
    (tmp_path / "pairs.jsonl").write_text(PAIRS, encoding="utf-8")
    options: dict[str, Any] = PLAIN | {"data": tmp_path / "pairs.jsonl", "name": "tcm"}
    done = job(tmp_path, base, **options, method="dpo", holdout=0.4).execute()
    assert done.preferences is not None
    assert done.preferences.after.preferred < done.preferences.before.preferred
    corrections = "患者：换药吗？\n医生：先不换。\n"
    (tmp_path / "new.txt").write_text(corrections, encoding="utf-8")
    options = {"data": tmp_path / "new.txt", "from_adapter": "tcm", "report": "none"}
    again = job(tmp_path, base, **options, replay=tmp_path / "pairs.jsonl").execute()
    assert str(again.version) == "tcm@2"
    assert again.continuation is not None
    assert again.continuation.num_learned == 1
