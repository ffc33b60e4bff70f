"""A whole fine-tuning job on a tiny base in NF4."""

import gzip
import json
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from data.errors import DataError
from finetune.adapters.versions import list_names, promoted_version
from finetune.errors import AdapterInvalid, BaseMismatch, ConfigError, NotResumable, TrainingStopped
from finetune.job import Job, Result
from finetune.training.config import TrainConfig
from finetune.training.observer import Silent, StepMetrics

DIALOGUE = "\n\n".join(f"患者：问题{i}，怎么办？\n医生：宜多休息{i}天。" for i in range(16)) + "\n"


class Observer(Silent):
    def __init__(self, stop_after: int | None = None) -> None:
        self.num_steps = 0
        self.stop_after = stop_after

    def on_step(self, metrics: StepMetrics) -> None:
        self.num_steps += 1

    def should_stop(self) -> bool:
        return self.num_steps == self.stop_after


class Workplace:
    """A home with a data file and a tiny base."""

    def __init__(self, folder: Path, base: Path) -> None:
        self.home = folder / "home"
        self.data = folder / "医案.txt"
        self.data.write_text(DIALOGUE, encoding="utf-8")
        self.base = base

    def job(self, stop_after: int | None = None, **options: Any) -> Job:
        values: dict[str, Any] = {"data": self.data, "base": str(self.base), "epochs": 3}
        values |= {"learning_rate": 0.01, "report_samples": 1, **options}
        config = TrainConfig.model_validate(values)
        return Job(config, self.home, Observer(stop_after))

    def tree(self, folder: str) -> list[str]:
        root = self.home / folder
        return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@pytest.fixture
def work(tmp_path: Path, make_base: Any) -> Workplace:
    return Workplace(tmp_path, make_base("llama"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, make_base: Any) -> tuple[Workplace, Result]:
    work = Workplace(tmp_path_factory.mktemp("finished"), make_base("llama"))
    job = work.job(system="你是中医。", disclaimer="不是医生。", sampling={"temperature": 0.3})
    return work, job.execute()


def test_the_adapter_learned_and_peft_can_load_it(finished: tuple[Workplace, Result]):
    work, result = finished
    assert str(result.version) == "医案@1"
    assert result.adapter_loss < 0.9 * result.base_loss
    base = AutoModelForCausalLM.from_pretrained(work.base)
    model = PeftModel.from_pretrained(base, str(result.version.folder))
    assert model.peft_config["default"].base_model_name_or_path == "tiny-llama"


def test_the_card_records_what_the_adapter_was_made_from(finished: tuple[Workplace, Result]):
    _, result = finished
    card = result.version.card
    assert card is not None
    assert card.data is not None
    assert card.data.num_conversations == card.data.num_trained + card.data.num_held_out == 16
    assert card.metrics["held_out_loss_adapter"] == result.adapter_loss
    lines = (result.run / "metrics.jsonl").read_text().splitlines()
    measured = [step for line in lines if (step := json.loads(line))["eval_loss"] is not None]
    best = min(measured, key=lambda step: step["eval_loss"])
    assert card.metrics["best_step"] == best["step"]
    assert (card.system, card.disclaimer, card.sampling.temperature) == (
        "你是中医。",
        "不是医生。",
        0.3,
    )
    assert str(Path.home()) not in (result.version.folder / "adapter_config.json").read_text()


def test_the_plan_can_be_looked_at_before_the_run_follows_it(work: Workplace):
    job = work.job(epochs=2)
    prepared = job.prepare()
    assert work.tree("runs") == []
    work.data.unlink()  # it has been read, and once is enough
    result = job.execute(prepared=prepared)
    assert len((result.run / "metrics.jsonl").read_text().splitlines()) == prepared.plan.num_steps
    assert result.trained_tokens == prepared.plan.num_tokens


def test_report_and_model_card_carry_verdict_and_disclaimer(finished: tuple[Workplace, Result]):
    _, result = finished
    report = unescape((result.version.folder / "report.html").read_text(encoding="utf-8"))
    readme = (result.version.folder / "README.md").read_text(encoding="utf-8")
    for finding in result.findings:
        assert str(finding) in readme
        assert finding.text in report
    for text in (report, readme):
        assert "不是医生。" in text
    assert f"{result.adapter_loss:.3f}" in report
    assert "怎么办？" in report
    translated = unescape((result.version.folder / "report.zh.html").read_text(encoding="utf-8"))
    assert '<html lang="en">' in report
    assert '<html lang="zh">' in translated
    assert not any(finding.text in translated for finding in result.findings)


def test_an_interrupted_job_leaves_no_adapter_and_resumes_to_the_same_one(work: Workplace):
    expected = work.job(name="whole").execute()
    with pytest.raises(TrainingStopped):
        work.job(3, name="cut").execute()
    assert list_names(work.home / "adapters") == ["whole"]
    resumed = work.job(name="cut").execute(resume=True)
    weights = load_file(resumed.version.folder / "adapter_model.safetensors")
    for name, tensor in load_file(expected.version.folder / "adapter_model.safetensors").items():
        assert torch.equal(weights[name], tensor)
    assert resumed.adapter_loss == expected.adapter_loss
    with pytest.raises(NotResumable, match="complete"):
        work.job(name="cut").execute(resume=True)


def test_a_job_stopped_after_its_training_is_finished_by_resuming(work: Workplace):
    with pytest.raises(TrainingStopped, match="after the training"):
        work.job(3, epochs=1).execute()
    assert work.tree("adapters") == []
    assert work.job(epochs=1).execute(resume=True).version.number == "1"


def test_what_does_not_change_the_training_may_change_when_it_goes_on(work: Workplace):
    with pytest.raises(TrainingStopped):
        work.job(2).execute()
    options: dict[str, Any] = {
        "micro_batch_tokens": 64,
        "gradient_checkpointing": True,
        "disclaimer": "仅供参考",
    }
    result = work.job(**options).execute(resume=True)
    card = result.version.card
    assert card is not None
    assert card.disclaimer == "仅供参考"


def test_resuming_with_other_data_or_options_is_refused(work: Workplace):
    with pytest.raises(TrainingStopped):
        work.job(2).execute()
    with pytest.raises(NotResumable, match="rank"):
        work.job(rank=8).execute(resume=True)
    work.data.write_text(DIALOGUE + "\n患者：新的？\n医生：好的。\n", encoding="utf-8")
    with pytest.raises(NotResumable, match="data has changed"):
        work.job().execute(resume=True)


def test_a_second_run_is_a_new_version_and_can_be_kept_back(work: Workplace):
    assert work.job(epochs=1).execute().version.number == "1"
    assert work.job(epochs=1, promote=False).execute().version.number == "2"
    assert promoted_version(work.home / "adapters", "医案") == "1"


def test_training_goes_on_from_an_adapter(work: Workplace):
    first = work.job(name="first").execute()
    second = work.job(name="second", from_adapter="first", epochs=1, learning_rate=1e-5).execute()
    assert second.adapter_loss == pytest.approx(first.adapter_loss, rel=0.05)


def test_an_adapter_of_another_base_cannot_be_continued(work: Workplace, make_base: Any):
    work.job(name="first", epochs=1).execute()
    other = str(make_base("llama", seed=9))
    with pytest.raises(BaseMismatch, match="tiny-llama"):
        work.job(name="second", from_adapter="first", base=other).execute()
    with pytest.raises(AdapterInvalid, match="no adapter 'missing'"):
        work.job(from_adapter="missing").execute()
    with pytest.raises(ConfigError, match="rank: first has 16"):
        work.job(from_adapter="first", rank=8).execute()
    with pytest.raises(ConfigError, match="dropout: first keeps"):
        work.job(from_adapter="first", dropout=0.3).execute()


def test_output_dir_is_the_run_folder_and_the_adapter_is_registered_too(
    work: Workplace, tmp_path: Path
):
    result = work.job(epochs=1, output_dir=tmp_path / "out").execute()
    assert result.run == tmp_path / "out"
    assert (tmp_path / "out" / "metrics.jsonl").is_file()
    assert list_names(work.home / "adapters") == ["医案"]
    with pytest.raises(ConfigError, match="not empty"):
        work.job(output_dir=tmp_path / "out").execute()


def test_gradient_checkpointing_changes_memory_and_not_the_losses(work: Workplace):
    plain = work.job(name="plain", epochs=1).execute()
    checkpointed = work.job(name="other", epochs=1, gradient_checkpointing=True).execute()
    assert checkpointed.adapter_loss == pytest.approx(plain.adapter_loss, rel=1e-3)


def test_a_failure_before_the_first_step_leaves_no_run(work: Workplace):
    with pytest.raises(ConfigError, match="target_modules"):
        work.job(target_modules=["no_such_layer"]).execute()
    with pytest.raises(ConfigError, match="lm_head cannot be served"):
        work.job(target_modules=["q_proj", "lm_head"]).execute()
    assert work.tree("adapters") == work.tree("runs") == []


def test_bad_data_leaves_nothing_behind(work: Workplace):
    for text in ("", "just some prose\n", "患者：只有问题\n"):
        work.data.write_text(text, encoding="utf-8")
        with pytest.raises(DataError):
            work.job().execute()
    work.data.write_text("患者：一\n医生：二\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="at least two"):
        work.job().execute()
    assert work.tree("adapters") == work.tree("runs") == []


def test_a_file_in_gb18030_with_names_of_its_own_is_trained_on(
    work: Workplace, caplog: pytest.LogCaptureFixture
):
    text = (
        DIALOGUE.replace("患者", "小王")
        .replace("医生", "李大夫")
        .replace("天。", "天，电13812345678。")
    )
    work.data.write_bytes(text.encode("gb18030"))
    result = work.job(epochs=1, redact=True).execute()
    assert "speakers 1" in caplog.text
    assert "personal data 16" in caplog.text
    report = (result.version.folder / "report.html").read_text(encoding="utf-8")
    assert "13812345678" not in report
    assert "[电话]" in report


def test_a_table_is_trained_on_by_the_names_of_its_columns(work: Workplace):
    work.data = work.data.with_suffix(".csv.gz")
    rows = "".join(f"{i},问题{i}，怎么办,宜多休息{i}天\n" for i in range(16))
    work.data.write_bytes(gzip.compress(f"编号,症状,意见\n{rows}".encode()))
    job = work.job(epochs=1, columns={"question": "症状", "answer": "意见"})
    assert job.execute().version.name == "医案"


def test_chinese_on_a_base_that_spells_it_out_is_warned_of_before_it_trains(
    work: Workplace, caplog: pytest.LogCaptureFixture
):
    work.job().rehearse()
    assert "tokens on a character of Chinese" in caplog.text
    assert "Qwen2.5-0.5B-Instruct" in caplog.text
    caplog.clear()
    work.data.write_text("\n\n".join(f"Q: What about {i}?\nA: Take {i} a day." for i in range(16)))
    work.job().rehearse()
    assert "Chinese" not in caplog.text
