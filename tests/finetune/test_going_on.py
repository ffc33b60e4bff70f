"""Runs that go on from an adapter with a few corrections, on a tiny base."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from data.conversation import Conversation
from data.reading.reader import read_conversations
from finetune.adapters.card import AdapterCard, read_card
from finetune.adapters.files import CARD_FILE, WEIGHTS_FILE
from finetune.bases.base import Base
from finetune.errors import ConfigError, NotResumable, TrainingStopped
from finetune.finish import Result
from finetune.job import Job
from finetune.training.config import TrainConfig
from finetune.training.dataset import LEAST_REPLAYED, Dataset
from finetune.training.division import FEW
from finetune.training.going_on.identity import identify
from finetune.training.observer import Silent, StepMetrics


def told(number: int) -> str:
    return f"患者：问题{number}，怎么办？\n医生：宜多休息{number}天。\n"


def corrected(number: int) -> str:
    return f"患者：问题{number}，怎么办？\n医生：请去医院看第{number}科。\n"


class Listener(Silent):
    def __init__(self, stop_after: int | None = None) -> None:
        self.said: list[str] = []
        self.steps: list[StepMetrics] = []
        self.stop_after = stop_after

    def on_stage(self, text: str) -> None:
        self.said.append(text)

    def on_step(self, metrics: StepMetrics) -> None:
        self.steps.append(metrics)

    def should_stop(self) -> bool:
        return len(self.steps) == self.stop_after


class Clinic:
    """A home with the adapter tcm, and the file of 40 conversations that it was trained on."""

    def __init__(self, folder: Path, base: Path) -> None:
        self.folder, self.base = folder, base
        self.home = folder / "home"
        self.data = folder / "tcm.txt"
        self.listener = Listener()

    def write(self, name: str, *texts: str) -> Path:
        path = self.folder / name
        path.write_text("\n".join(texts), encoding="utf-8")
        return path

    def job(self, data: Path, *, stop_after: int | None = None, **options: Any) -> Job:
        self.listener = Listener(stop_after)
        values: dict[str, Any] = {"data": data, "report": "none", **options}
        return Job(TrainConfig.model_validate(values), self.home, self.listener)

    def go_on(self, data: Path, **options: Any) -> Result:
        return self.job(data, from_adapter="tcm", epochs=2, **options).execute()

    def dataset(self, data: Path, **options: Any) -> Dataset:
        return self.job(data, from_adapter="tcm", epochs=2, **options).rehearse().dataset

    def trained_texts(self, dataset: Dataset) -> list[str]:
        tokenizer: Any = Base("tiny", self.base).tokenizer
        return [tokenizer.decode(row.token_ids) for row in dataset.rows]

    def card(self, version: int = 1) -> AdapterCard:
        card = read_card(self.home / "adapters" / "tcm" / str(version))
        assert card is not None
        return card

    def sides(self) -> tuple[list[int], list[int]]:
        """The numbers of the questions that tcm was trained on, and those it held out."""
        numbered = list(enumerate(read_conversations(self.data)))
        out = self.card().held_out
        return (
            [number for number, each in numbered if identify(each) not in out],
            [number for number, each in numbered if identify(each) in out],
        )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, make_base: Any) -> Clinic:
    clinic = Clinic(tmp_path_factory.mktemp("clinic"), make_base("llama"))
    clinic.write("tcm.txt", *map(told, range(40)))
    values: dict[str, Any] = {"base": str(clinic.base), "rank": 4, "epochs": 1}
    values |= {"system": "你是中医。", "disclaimer": "不是医生。", "learning_rate": 0.01}
    clinic.job(clinic.data, **values).execute()
    return clinic


@pytest.fixture
def clinic(trained: Clinic, tmp_path: Path) -> Clinic:
    """A copy to change; the run still knows the file where it was first."""
    shutil.copytree(trained.home, tmp_path / "home")
    shutil.copy(trained.data, tmp_path / "tcm.txt")
    mine = Clinic(tmp_path, trained.base)
    state = mine.home / "runs" / "tcm-1" / "run.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"data": str(mine.data)}))
    return mine


def test_a_card_knows_what_was_held_out(clinic: Clinic):
    _, held_out = clinic.sides()
    assert len(held_out) == len(clinic.card().held_out) == 10


def test_corrections_are_all_trained_and_what_the_adapter_held_out_measures(clinic: Clinic):
    known, held_out = clinic.sides()
    new = ("患者：新的？\n医生：好。\n", corrected(known[0]), corrected(held_out[0]))
    result = clinic.go_on(clinic.write("corrections.txt", *new))
    assert str(result.version) == "tcm@2"
    card = clinic.card(2)
    assert card.data is not None
    assert (card.data.num_conversations, card.data.num_trained) == (3, 3)
    assert card.data.num_held_out == card.data.num_inherited == 9
    assert set(card.held_out) < set(clinic.card().held_out)
    assert card.data.num_replayed == len(known) - 1  # fewer than there should be: all of them
    assert result.continuation is not None
    assert (result.continuation.parent, result.continuation.num_corrections) == ("tcm@1", 3)
    said = "\n".join(clinic.listener.said)
    assert "1 conversations that tcm@1 held out are asked or answered in corrections.txt" in said
    assert "All 3 new conversations are trained on, 29 old ones again; 9 that tcm@1" in said


def test_no_row_is_on_both_sides_and_old_answers_make_way_for_new_ones(clinic: Clinic):
    known, held_out = clinic.sides()
    path = clinic.write("corrections.txt", corrected(known[0]), corrected(held_out[0]))
    dataset = clinic.dataset(path)
    assert dataset.num_left_out == 1
    assert not {row.token_ids for row in dataset.rows} & {r.token_ids for r in dataset.held_out}
    texts = "".join(clinic.trained_texts(dataset))
    assert "宜多休息" in texts
    for number in (known[0], *held_out):
        assert f"休息{number}天" not in texts


def test_what_the_adapter_says_of_itself_is_kept_unless_said_otherwise(clinic: Clinic):
    path = clinic.write("corrections.txt", "患者：新的？\n医生：好。\n")
    job = clinic.job(path, from_adapter="tcm", disclaimer="仅供参考。")
    assert (job.config.system, job.config.rank) == ("你是中医。", 4)
    assert (job.config.disclaimer, job.config.base) == ("仅供参考。", str(clinic.base))
    assert job.config.from_adapter == "tcm@1"
    assert clinic.job(path, from_adapter="tcm", name="other").name == "other"


def test_old_rows_are_replayed_up_to_a_number_and_a_ratio_of_nothing_replays_none(clinic: Clinic):
    path = clinic.write("corrections.txt", *(f"患者：新{i}？\n医生：好{i}。\n" for i in range(4)))
    assert clinic.dataset(path, replay=clinic.data, replay_ratio=0.1).summary.num_replayed == 30
    assert clinic.dataset(path, replay_ratio=0).summary.num_replayed == 0
    more = clinic.write("more.txt", *map(told, range(100, 100 + 2 * LEAST_REPLAYED)))
    given = clinic.dataset(path, replay=more)
    assert given.summary.num_replayed == LEAST_REPLAYED
    assert "休息1" in "".join(clinic.trained_texts(given))


def test_several_generations_keep_the_first_ones_hold_out_and_all_their_corrections(
    clinic: Clinic,
):
    known, held_out = clinic.sides()
    clinic.go_on(clinic.write("first.txt", corrected(known[0]), corrected(held_out[0])))
    path = clinic.write("second.txt", corrected(known[1]))
    dataset = clinic.dataset(path)
    assert dataset.identities == clinic.card(2).held_out
    texts = "".join(clinic.trained_texts(dataset))
    for number in (known[0], held_out[0], known[1]):
        assert f"看第{number}科" in texts
        assert f"休息{number}天" not in texts


def test_without_the_old_file_it_is_said_what_can_be_done(clinic: Clinic):
    path = clinic.write("corrections.txt", *(f"患者：新{i}？\n医生：好{i}。\n" for i in range(4)))
    moved = clinic.data.rename(clinic.folder / "moved.txt")
    with pytest.raises(ConfigError) as caught:
        clinic.dataset(path)
    for part in ("of what tcm@1 held out nothing is found", str(clinic.data), "--replay FILE"):
        assert part in str(caught.value)
    given = clinic.dataset(path, replay=moved)
    assert (given.num_corrections, given.summary.num_inherited) == (4, 10)
    own = clinic.dataset(path, holdout=0.3)
    assert (own.num_corrections, own.summary.num_held_out, own.summary.num_trained) == (0, 1, 3)


def test_of_a_changed_file_the_rows_that_are_still_there_measure(clinic: Clinic):
    known, held_out = clinic.sides()
    path = clinic.write("corrections.txt", "患者：新的？\n医生：好。\n")
    kept = [*map(told, (*known, *held_out[1:])), corrected(held_out[0]), told(77)]
    clinic.write("tcm.txt", *kept)
    dataset = clinic.dataset(path)
    assert dataset.summary.num_held_out == 9
    assert any("held out, 9 are found" in said for said in clinic.listener.said)


def test_an_older_card_tells_what_was_held_out_while_its_file_is_unchanged(clinic: Clinic):
    before = clinic.card()
    for file in (clinic.home / "adapters/tcm/1" / CARD_FILE, clinic.home / "runs/tcm-1/run.json"):
        values = json.loads(file.read_text(encoding="utf-8"))
        del values["held_out"]
        file.write_text(json.dumps(values), encoding="utf-8")
    path = clinic.write("corrections.txt", "患者：新的？\n医生：好。\n")
    assert clinic.dataset(path).identities == before.held_out
    clinic.write("tcm.txt", *map(told, range(39)))
    with pytest.raises(ConfigError, match="nothing is found"):
        clinic.dataset(path)


def test_of_many_new_conversations_some_are_held_out_too(clinic: Clinic):
    known, held_out = clinic.sides()
    new = [f"患者：新{i}？\n医生：好{i}。\n" for i in range(FEW)]
    path = clinic.write("more.txt", *new, told(known[0]), told(held_out[0]))
    dataset = clinic.dataset(path)
    assert dataset.num_corrections == 0
    assert dataset.summary.num_inherited == 10  # what comes again word for word stays held out
    assert dataset.summary.num_held_out == 10 + FEW // 3
    assert dataset.summary.num_trained == FEW + 1 - FEW // 3
    assert identify_all(dataset.held_out_conversations) >= set(clinic.card().held_out)


def identify_all(conversations: list[Conversation]) -> set[str]:
    return {*map(identify, conversations)}


def test_a_share_that_is_asked_for_is_held_out_of_a_few_too(clinic: Clinic):
    path = clinic.write("corrections.txt", *(f"患者：新{i}？\n医生：好{i}。\n" for i in range(6)))
    dataset = clinic.dataset(path, holdout=0.3)
    assert (dataset.summary.num_trained, dataset.summary.num_held_out) == (4, 12)


def test_training_ends_when_the_corrections_are_learned_and_keeps_the_last_weights(clinic: Clinic):
    known, _ = clinic.sides()
    path = clinic.write("corrections.txt", corrected(known[0]))
    result = clinic.job(path, from_adapter="tcm", learning_rate=0.01, epochs=99).execute()
    assert result.continuation is not None
    assert (result.continuation.num_corrections, result.continuation.num_learned) == (1, 1)
    losses = [step.eval_loss for step in clinic.listener.steps if step.eval_loss is not None]
    assert result.continuation.loss_after == losses[-1]
    last = clinic.listener.steps[-1]
    assert last.eval_loss is not None
    assert last.step < last.num_steps
    metrics = clinic.card(2).metrics
    assert metrics["held_out_loss_before"] == result.continuation.loss_before
    assert metrics["num_corrections_learned"] == 1


def test_a_stopped_run_goes_on_and_only_from_the_same_version(clinic: Clinic):
    path = clinic.write("corrections.txt", "患者：新的？\n医生：好。\n")
    options: dict[str, Any] = {"from_adapter": "tcm", "epochs": 4, "save_steps": 1}
    with pytest.raises(TrainingStopped):
        clinic.job(path, stop_after=2, **options).execute()
    whole = clinic.job(path, name="other", **options).execute()
    changed: dict[str, Any] = {**options, "from_adapter": "other", "name": "tcm"}
    with pytest.raises(NotResumable, match=r"from_adapter \(tcm@1\)"):
        clinic.job(path, **changed).execute(resume=True)
    result = clinic.job(path, **options).execute(resume=True)
    assert str(result.version) == "tcm@2"
    said = "\n".join(clinic.listener.said)
    assert "Going on after step 2 of 4" in said
    assert "1 corrections to train" in said
    assert "until they are answered word for word: at most 4 steps" in said
    assert "Measuring tcm@1 on what it held out" in said
    weights = [(each.version.folder / WEIGHTS_FILE).read_bytes() for each in (whole, result)]
    assert weights[0] == weights[1]  # the teacher was tcm@1, and not what had been reached


def test_a_few_corrections_are_no_matter_for_a_sweep(clinic: Clinic):
    path = clinic.write("corrections.txt", "患者：新的？\n医生：好。\n")
    with pytest.raises(ConfigError, match="none is held out"):
        clinic.job(path, from_adapter="tcm", output_dir=clinic.folder / "out").try_out()
