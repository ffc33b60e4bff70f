"""An evaluation from end to end on a tiny base, and its likeness to the report of the training."""

import json
from pathlib import Path
from typing import Any

import pytest

from data.errors import DataError
from data.reading.reader import ReadOptions
from finetune.errors import AdapterInvalid, BaseMismatch, BaseNotFound, ExportRefused
from finetune.eval_job import EvalJob, EvalOptions
from finetune.evaluation.report import Report
from finetune.finish import Result
from finetune.job import Job
from finetune.training.config import TrainConfig

DIALOGUE = "\n\n".join(f"患者：问题{i}，怎么办？\n医生：宜多休息{i}天。" for i in range(16)) + "\n"
OTHER = "\n\n".join(f"患者：新的问题{i}？\n医生：宜早睡{i}天。" for i in range(4)) + "\n"


class Workplace:
    """A home with two adapters of a tiny base, and data that they were trained on."""

    def __init__(self, folder: Path, base: Path) -> None:
        self.home = folder / "home"
        self.base = base
        self.data = folder / "医案.txt"
        self.data.write_text(DIALOGUE, encoding="utf-8")
        self.other = folder / "other.txt"
        self.other.write_text(OTHER, encoding="utf-8")
        self.results = {
            "good": self.train(name="good", epochs=3, system="你是中医。", disclaimer="不是医生。"),
            "weak": self.train(name="weak", epochs=1, learning_rate=1e-5),
        }

    def train(self, **options: Any) -> Result:
        values = {"data": self.data, "base": str(self.base), "learning_rate": 0.01}
        config = TrainConfig.model_validate({**values, "report_samples": 0, **options})
        return Job(config, self.home).execute()

    def evaluate(self, adapter: str, data: Path, **options: Any) -> tuple[Report, Path]:
        values: dict[str, Any] = {"report_samples": 1, "report_tokens": 8, **options}
        return EvalJob(EvalOptions(adapter, data, **values), self.home, lambda _: None).execute()

    def evals(self) -> list[str]:
        return sorted(path.name for path in (self.home / "evals").glob("*"))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, make_base: Any) -> Workplace:
    return Workplace(tmp_path_factory.mktemp("work"), make_base("llama"))


def test_its_own_data_gives_what_the_training_said(work: Workplace, tmp_path: Path):
    report, folder = work.evaluate("good", work.data, out=tmp_path / "out")
    assert folder == tmp_path / "out"
    unseen, result = report.measured.unseen, work.results["good"]
    # The split, the template and the system prompt are those of the training.
    assert unseen.nll.adapter.value == pytest.approx(result.adapter_loss, abs=1e-5)
    assert unseen.nll.baseline.value == pytest.approx(result.base_loss, abs=1e-5)
    assert report.measured.leakage is not None
    assert "conversations that it has never seen" in report.verdict
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["data"]["num_trained"] + unseen.num_rows == 16
    assert "不是医生。" in (folder / "report.html").read_text(encoding="utf-8")


def test_other_data_is_taken_whole_or_to_a_limit(work: Workplace):
    report, folder = work.evaluate("good@1", work.other)
    assert folder.parent == work.home / "evals"
    assert report.measured.unseen.num_rows == 4
    assert (report.measured.leakage, report.history) == (None, None)
    assert "On these " in report.verdict
    assert "Not measured here" in (folder / "report.html").read_text(encoding="utf-8")
    few, second = work.evaluate("good", work.other, limit=2)
    assert few.measured.unseen.num_rows == 2
    assert second != folder


def test_names_and_columns_are_read_as_asked(work: Workplace, tmp_path: Path):
    table = tmp_path / "table.csv"
    table.write_text("症状,意见\n胃胀,少食\n头晕,休息\n", encoding="utf-8")
    columns = {"question": "症状", "answer": "意见"}
    report, _ = work.evaluate(
        "good", table, reading=ReadOptions(columns=columns), out=tmp_path / "out"
    )
    assert report.measured.unseen.num_rows == 2


def test_an_adapter_is_compared_with_another(work: Workplace, tmp_path: Path):
    report, folder = work.evaluate("good", work.data, against="weak@1", out=tmp_path / "out")
    assert (report.name, report.baseline) == ("good@1", "weak@1")
    losses = report.measured.unseen.nll
    assert losses.adapter.value == pytest.approx(work.results["good"].adapter_loss, abs=1e-5)
    assert losses.baseline.value == pytest.approx(work.results["weak"].adapter_loss, abs=1e-5)
    assert report.findings[0].kind == "better"
    assert "better than weak@1" in report.findings[0].text
    assert "weak@1" in (folder / "report.html").read_text(encoding="utf-8")


def test_what_cannot_be_evaluated_is_refused_and_leaves_nothing(
    work: Workplace, tmp_path: Path, make_base: Any
):
    before = work.evals()
    empty, prose = tmp_path / "empty.txt", tmp_path / "prose.txt"
    empty.write_text("")
    prose.write_text("Nobody asks anything here.\n")
    with pytest.raises(AdapterInvalid, match="no adapter 'missing'"):
        work.evaluate("missing", work.data)
    with pytest.raises(AdapterInvalid, match="no adapter 'weak@7'"):
        work.evaluate("good", work.data, against="weak@7")
    with pytest.raises(AdapterInvalid, match="itself"):
        work.evaluate("good", work.data, against="good@1")
    with pytest.raises(BaseMismatch, match="good@1 was trained on 'tiny-llama'"):
        work.evaluate("good", work.data, base=str(make_base("llama", seed=9)))
    with pytest.raises(BaseNotFound, match="nowhere"):
        work.evaluate("good", work.data, base="nowhere")
    for data in (empty, prose, tmp_path / "none.txt"):
        with pytest.raises(DataError):
            work.evaluate("good", data)
    with pytest.raises(ExportRefused, match="not empty"):
        work.evaluate("good", work.data, out=work.home)
    assert work.evals() == before
