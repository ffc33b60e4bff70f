"""Runs that hold out a file of its own: what is trained, what measures, and what is known of it."""

from pathlib import Path
from typing import Any

import pytest

from data.chat import ChatRenderer
from data.conversation import Conversation, Message
from data.errors import DataError
from finetune.errors import ConfigError
from finetune.eval_job import EvalJob, EvalOptions
from finetune.finish import Result
from finetune.job import Job
from finetune.training.config import TrainConfig
from finetune.training.dataset import Dataset, DatasetMaker
from finetune.training.rows import TrainingData

LONG = (
    "这个症状已经持续了很长时间，晚上睡不好，白天没有精神，吃饭也没有胃口，请问应该怎么调理才好呢"
)


def pair(question: str, answer: str) -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)))


def told(numbers: range) -> str:
    return "\n".join(f"患者：问题{i}，怎么办？\n医生：宜多休息{i}天。\n" for i in numbers)


@pytest.fixture
def prepare(make_tokenizer: Any) -> Any:
    renderer = ChatRenderer(make_tokenizer())
    new = [pair(f"问题{i}？", f"答案{i}。") for i in range(30)]

    def run(*validation: Conversation, **options: Any) -> Dataset:
        data = TrainingData(Path("x.txt"), new, (), Path("measure.txt"), validation)
        return DatasetMaker(TrainConfig.model_validate(options), renderer).prepare(data)

    return run


def test_all_of_the_data_is_trained_on_and_the_file_measures(prepare: Any):
    own = [pair("别的？", "好。"), pair("新的？", "行。")]
    dataset = prepare(*own, holdout=0.5)
    assert dataset.held_out_conversations == own
    assert (dataset.summary.num_trained, dataset.summary.num_held_out) == (30, 2)
    assert (dataset.summary.source, dataset.summary.held_out_source) == ("x.txt", "measure.txt")


def test_what_the_data_asks_measures_nothing_and_equal_answers_do(
    prepare: Any, caplog: pytest.LogCaptureFixture
):
    own = [pair("别的？", "答案7。"), pair("新的？", "好。")]
    dataset = prepare(*own, pair("问题3", "另一个答案"), pair("问题４？", "答案4。"))
    assert dataset.held_out_conversations == own
    assert len(dataset.rows) == 30
    assert "2 of 4 conversations of measure.txt ask what is trained on" in caplog.text


def test_nearly_the_same_text_measures_nothing(make_tokenizer: Any):
    near, other = pair(f"{LONG}？", "早睡。"), pair("别的？", "好。")
    data = TrainingData(Path("x"), [pair(f"医生，{LONG}", "早睡。")], (), Path("y"), [near, other])
    renderer = ChatRenderer(make_tokenizer())
    dataset = DatasetMaker(TrainConfig.model_validate({}), renderer).prepare(data)
    assert dataset.held_out_conversations == [other]


def test_a_file_of_which_nothing_is_new_is_refused(prepare: Any):
    with pytest.raises(
        ConfigError, match=r"validation: 1 of 1 .* measure\.txt .*leave the file out"
    ):
        prepare(pair("问题3？", "答案3。"))


class Clinic:
    """A home, the file tcm.txt with forty conversations, and measure.txt with six others."""

    def __init__(self, folder: Path, base: Path) -> None:
        self.home, self.base = folder / "home", base
        self.data, self.validation = folder / "tcm.txt", folder / "measure.txt"
        self.data.write_text(told(range(40)), encoding="utf-8")
        self.validation.write_text(told(range(38, 44)), encoding="utf-8")

    def job(self, **options: Any) -> Job:
        values = {"data": self.data, "epochs": 1, "report": "none", "quantize": "none"}
        values |= {} if "from_adapter" in options else {"base": str(self.base), "rank": 2}
        config = TrainConfig.model_validate({**values, "validation": self.validation, **options})
        return Job(config, self.home)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, make_base: Any) -> tuple[Clinic, Result]:
    clinic = Clinic(tmp_path_factory.mktemp("clinic"), make_base("llama"))
    return clinic, clinic.job(report="short", report_samples=1).execute()


def test_card_and_report_say_which_file_measured(trained: tuple[Clinic, Result]):
    _, result = trained
    card = result.version.card
    assert card is not None
    assert card.data is not None
    assert (card.data.num_trained, card.data.num_held_out, len(card.held_out)) == (40, 4, 4)
    assert card.data.held_out_source == "measure.txt"
    assert result.report is not None
    assert "measure.txt" in result.report.read_text(encoding="utf-8")


def test_a_fault_of_the_file_names_it(trained: tuple[Clinic, Result], tmp_path: Path):
    clinic, _ = trained
    (tmp_path / "bad.txt").write_text("患者：只有问题\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"bad\.txt"):
        clinic.job(validation=tmp_path / "bad.txt").prepare()
    with pytest.raises(DataError, match=r"none\.txt"):
        clinic.job(validation=tmp_path / "none.txt").prepare()


def test_the_file_is_found_again_to_go_on_and_to_evaluate(
    trained: tuple[Clinic, Result], tmp_path: Path
):
    clinic, result = trained
    new = tmp_path / "new.txt"
    new.write_text(told(range(100, 103)), encoding="utf-8")
    dataset = clinic.job(data=new, from_adapter="tcm", validation=None).prepare().dataset
    assert (dataset.num_corrections, dataset.summary.num_inherited) == (3, 4)
    report, _ = EvalJob(
        EvalOptions("tcm", clinic.validation, report_samples=0), clinic.home, lambda _: None
    ).execute()
    assert (report.data.num_held_out, report.measured.are_unseen) == (4, True)
    assert report.measured.leakage is None
    assert report.measured.unseen.nll.adapter.value == pytest.approx(result.adapter_loss)


def test_a_file_measures_beside_what_an_adapter_before_held_out(
    trained: tuple[Clinic, Result], tmp_path: Path
):
    clinic, _ = trained
    new, other = tmp_path / "new.txt", tmp_path / "other.txt"
    new.write_text(told(range(100, 103)), encoding="utf-8")
    other.write_text(told(range(42, 46)), encoding="utf-8")
    dataset = clinic.job(data=new, from_adapter="tcm", validation=other).prepare().dataset
    assert dataset.num_corrections == 0
    assert (dataset.summary.num_held_out, dataset.summary.num_inherited) == (6, 4)
    assert (dataset.summary.num_trained, dataset.num_left_out) == (3, 0)
