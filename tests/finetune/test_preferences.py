"""A whole job with a second stage: it learns from preferences, and keeps what is better."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from finetune.errors import TrainingStopped
from finetune.finish import Result
from finetune.job import Job
from finetune.training.config import TrainConfig
from finetune.training.run import read_metrics
from tests.finetune.training.test_trainer import Recorder

NUM = 45


def preference(number: int, *, swapped: bool = False) -> dict[str, Any]:
    answers = [
        [{"role": "assistant", "content": f"{text}{number}。"}] for text in ("多休息", "不知道")
    ]
    preferred, other = reversed(answers) if swapped else answers
    return {
        "input": {"messages": [{"role": "user", "content": f"问题{number}，怎么办？"}]},
        "preferred_output": preferred,
        "non_preferred_output": other,
    }


def rating(number: int) -> dict[str, Any]:
    is_good = number % 2 == 0
    return {
        "prompt": f"问题{number}，怎么办？",
        "completion": f"{'多休息' if is_good else '不知道'}{number}。",
        "label": is_good,
    }


class Workplace:
    def __init__(self, folder: Path, base: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.base = base

    def write(self, name: str, rows: list[dict[str, Any]]) -> Path:
        path = self.folder / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    def job(self, data: Path, stop_after: int | None = None, **options: Any) -> Job:
        values: dict[str, Any] = {"data": data, "base": str(self.base), "epochs": 2}
        values |= {"learning_rate": 0.01, "report": "none", "method": "dpo", **options}
        self.observer = Recorder(stop_after)
        return Job(TrainConfig.model_validate(values), self.home, self.observer)


@pytest.fixture
def work(tmp_path: Path, make_base: Any) -> Workplace:
    return Workplace(tmp_path, make_base("llama"))


@pytest.fixture
def pairs(work: Workplace) -> Path:
    return work.write("pairs.jsonl", [preference(n) for n in range(NUM)])


def weights(result: Result) -> dict[str, Any]:
    return load_file(result.version.folder / "adapter_model.safetensors")


def same(one: Result, other: Result) -> bool:
    left, right = weights(one), weights(other)
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_a_stage_that_helps_is_kept_and_told(work: Workplace, pairs: Path):
    result = work.job(pairs).execute()
    found = result.preferences
    assert found is not None
    assert found.is_kept, found.told
    assert found.num_trained + found.num_measuring == NUM
    assert found.after.preferred < found.before.preferred
    card = result.version.card
    assert card is not None
    assert card.metrics["preferences_kept"] == 1
    assert card.metrics["preferred_loss_after"] == found.after.preferred
    assert result.training_loss == found.after.held_out
    assert found.told in (result.run / "train.log").read_text(encoding="utf-8")
    examples = work.job(pairs, name="examples", method="sft").execute()
    assert examples.preferences is None
    assert not same(result, examples)


def test_a_stage_that_does_not_help_leaves_what_the_examples_taught(work: Workplace, pairs: Path):
    measuring = work.write("held.jsonl", [preference(n, swapped=True) for n in range(90, 110)])
    options: dict[str, Any] = {"validation": measuring, "evals_per_epoch": 1}
    result = work.job(pairs, None, **options).execute()
    assert result.preferences is not None
    assert not result.preferences.is_kept
    examples = work.job(pairs, None, name="examples", **options | {"method": "sft"}).execute()
    assert same(result, examples)


def test_its_steps_follow_those_of_the_examples(work: Workplace, pairs: Path):
    job = work.job(pairs)
    prepared = job.prepare()
    result = job.execute(prepared=prepared)
    told = work.observer.steps
    later = [each for each in told if each.stage == "preferences"]
    assert [each.step for each in told] == [*range(1, len(told) + 1)]
    assert {each.num_steps for each in told} == {prepared.num_steps}
    assert len(later) == prepared.num_later_steps
    assert later[-1].eval_loss is not None
    assert read_metrics(result.run) == told
    tokens = prepared.plan.num_tokens + prepared.num_later_tokens
    assert result.trained_tokens == tokens


@pytest.mark.parametrize("method", ["dpo", "kto"])
@pytest.mark.parametrize("later", [-1, 0, 1, 3])
def test_a_run_that_was_ended_in_between_comes_to_the_same(
    work: Workplace, later: int, method: str
):
    made = preference if method == "dpo" else rating
    data = work.write("data.jsonl", [made(n) for n in range(2 * NUM)])
    prepared = work.job(data, name="whole", method=method).prepare()
    expected = work.job(data, name="whole", method=method).execute()
    stop_after = prepared.plan.num_steps + later
    with pytest.raises(TrainingStopped, match="--resume"):
        work.job(data, stop_after, name="cut", method=method).execute()
    before = work.observer.steps
    resumed = work.job(data, name="cut", method=method).execute(resume=True)
    assert same(resumed, expected)
    assert resumed.preferences == expected.preferences
    losses = [(each.step, each.loss, each.eval_loss) for each in (*before, *work.observer.steps)]
    assert losses == [(m.step, m.loss, m.eval_loss) for m in read_metrics(expected.run)]


def test_how_likely_answers_were_before_is_computed_once(work: Workplace, pairs: Path):
    job = work.job(pairs)
    stop_after = job.prepare().plan.num_steps + 1
    with pytest.raises(TrainingStopped):
        work.job(pairs, stop_after).execute()
    [path] = (work.home / "runs").glob("*/preferences/reference.json")
    reference = json.loads(path.read_bytes())
    prepared = job.prepare()
    assert prepared.preferences is not None
    assert len(reference) == len(prepared.preferences.rows)  # one float a row
    assert all(each < 0 for each in reference)
    written = path.stat().st_mtime_ns
    work.job(pairs).execute(resume=True)
    assert path.stat().st_mtime_ns == written


def test_ratings_are_learned_from_by_kto(work: Workplace):
    data = work.write("ratings.jsonl", [rating(n) for n in range(2 * NUM)])
    found = work.job(data, method="kto").execute().preferences
    assert found is not None
    assert (found.method, found.prefers) == ("kto", None)
    assert f"{found.after.preferred:.3f}" in found.told
