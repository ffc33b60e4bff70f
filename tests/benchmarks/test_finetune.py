"""The fine-tuning benchmark: rehearsed with a tiny base, and judged by made-up records."""

import json
import math
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.bar import Bar
from benchmarks.finetune import app
from benchmarks.provenance import Provenance
from benchmarks.summary import Rounds
from benchmarks.tuning import findings, llamafactory, ours, quality, speed, sweep
from benchmarks.tuning.findings import bars, gain, seconds_to
from benchmarks.tuning.page import render
from benchmarks.tuning.quality import USUAL_RECIPE, QualityRun
from benchmarks.tuning.samples import (
    FIXED,
    LENGTH,
    fixed_length_sample,
    prepare,
    shipped_samples,
    split,
)
from benchmarks.tuning.sitting import Part, RunJournal, RunKey, RunRecord, Sitting
from benchmarks.tuning.steps import trainer_options
from benchmarks.tuning.task import (
    IGNORED,
    Kept,
    Outcome,
    Recipe,
    Task,
    read_outcome,
    read_rows,
    read_task,
)
from benchmarks.tuning.tiny import first_conversations, make_tiny_base
from benchmarks.tuning.tools import FACTORY, OURS, PEFT, TRL, available_tools
from finetune.bases.base import Base

BIKE = "bike_workshop"
MACHINE: dict[str, Any] = {
    "cpu": "A CPU",
    "num_cores": 2,
    "features": ["avx2"],
    "memory_bytes": 8 << 30,
    "gpu": None,
    "gpu_memory_bytes": 0,
    "system": "Linux",
}
PROVENANCE = Provenance(date(2026, 1, 2), "python -m x", MACHINE, {"torch": "1"})


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    folder = make_tiny_base(tmp_path_factory.mktemp("base") / "tiny")
    return Base("tiny", folder)


def record(
    part: Part, tool: str, setting: str, sample: str = BIKE, number: int = 0, **told: Any
) -> RunRecord:
    key = RunKey(part=part, tool=tool, setting=setting, sample=sample)
    details = told.pop("details", {})
    return RunRecord(key=key, round=number, figures=told, details=details)


def rate(tool: str, setting: str, tokens: float, peak: float, sample: str = BIKE) -> RunRecord:
    return record("speed", tool, setting, sample, tokens_per_second=tokens, peak_bytes=peak)


def loss(
    tool: str, sums: list[float], curve: list[tuple[int, float, float]], number: int = 0
) -> RunRecord:
    counts = [10] * len(sums)
    details = {"held_out": {"sums": sums, "counts": counts}, "curve": curve}
    return record(
        "quality",
        tool,
        "",
        number=number,
        loss_fp32=sum(sums) / sum(counts),
        loss_nf4=curve[-1][2],
        seconds=curve[-1][1],
        details=details,
    )


def bar(records: list[RunRecord], *words: str) -> Bar:
    (found,) = [b for b in bars(Rounds(records)) if all(word in b.name for word in words)]
    return found


def test_the_rehearsal_measures_us_and_plain_peft(tmp_path: Path):
    out = tmp_path / "results" / "tuning"
    options = ["--tiny", "--parts", "speed", "--repeats", "1"]
    arguments = [*options, "--home", str(tmp_path / "home"), "--out", str(out)]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(out.with_name("tuning.json").read_text("utf-8"))
    measured = told["measured"]
    assert [each["tool"] for each in measured] == [OURS, PEFT]
    for each in measured:
        (figures,) = each["rounds"]
        assert figures["tokens_per_second"] > figures["trained_tokens_per_second"] > 0
        assert figures["peak_bytes"] > 1 << 26
    assert "| bike_workshop | lora-chat | its defaults |" in out.with_name("tuning.md").read_text()


def test_every_epochs_adapter_is_judged_by_our_evaluator(tmp_path: Path, base: Base):
    sample = first_conversations(shipped_samples()[0], tmp_path)
    tools = tuple(available_tools(None, None))
    journal = RunJournal(tmp_path / "journal.jsonl", RunRecord)
    sitting = Sitting(base, tmp_path / "home", tools, (sample,), "fp32", journal, max_steps=2)
    run = QualityRun(sitting, "quality", tools[1], "x", USUAL_RECIPE, sample, 0, 42)
    run.conduct()
    (found,) = RunJournal(journal.path, RunRecord).records
    assert found.error is None
    assert found.figures["loss_fp32"] == pytest.approx(math.log(258), rel=0.05)
    assert [step for step, _, _ in found.details["curve"]] == [1, 2]
    assert found.details["resolved"]["is_4bit"]
    assert found.details["resolved"]["learning_rate"] == 2e-4


def test_others_get_the_ids_and_labels_that_we_train(tmp_path: Path, base: Base):
    sample = first_conversations(shipped_samples()[0], tmp_path)
    prepared = prepare(sample, 42, base, tmp_path / "rows")
    rows, held_out = split(sample.path, 42, base)
    written = read_rows(prepared.rows)
    assert len(written) == len(rows) == len(prepared.lengths)
    assert len(held_out) > 0
    for row, told in zip(rows, written, strict=True):
        assert tuple(told["input_ids"]) == row.token_ids
        assert tuple(label != IGNORED for label in told["labels"]) == row.trained
    assert prepared.num_trained == sum(row.num_trained for row in rows)


def test_rows_for_memory_are_all_equally_long(tmp_path: Path):
    base = Base("words", make_word_base(tmp_path / "words"))
    sample = fixed_length_sample(base, tmp_path)
    prepared = prepare(sample, 42, base, tmp_path / "rows")
    assert set(prepared.lengths) == {LENGTH}
    assert len(prepared.lengths) == 40


def test_what_a_tool_is_told_and_tells_survives_the_files(tmp_path: Path):
    recipe = Recipe(rank=8, options={"batch_size": 8})
    task = Task(tmp_path, tmp_path / "d", tmp_path / "r", tmp_path / "o", 1, recipe, 3)
    assert read_task(task.write()) == task
    outcome = Outcome((1.0, 2.0), (Kept(1, 1.0, tmp_path), Kept(2, 2.0, loss=3.0)), (), {"a": 1})
    outcome.write(tmp_path)
    assert read_outcome(tmp_path) == outcome


def test_defaults_are_left_to_the_tool(tmp_path: Path):
    task = Task(tmp_path, tmp_path, tmp_path, tmp_path, 1, Recipe())
    assert {"learning_rate", "num_train_epochs", "max_steps"}.isdisjoint(
        trainer_options(task.recipe, task)
    )
    assert ours.options(task)["learning_rate"] is None


def test_we_refuse_what_we_cannot_be_told(tmp_path: Path):
    task = Task(tmp_path, tmp_path, tmp_path, tmp_path, 1, Recipe(micro_batch=4))
    with pytest.raises(ValueError, match="no option micro_batch"):
        ours.options(task)


def test_a_peer_counts_by_its_fastest_setting_and_its_memory_there():
    records = [
        rate(OURS, speed.DEFAULTS, 300, 3e9, FIXED),
        rate(PEFT, "micro-batch 1", 100, 2e9, FIXED),
        rate(PEFT, "micro-batch 8", 150, 9e9, FIXED),
        rate(OURS, speed.DEFAULTS, 290, 3e9),
        rate(PEFT, "micro-batch 1", 200, 2e9),
    ]
    lean = bar(records, FIXED, PEFT)
    assert (lean.value, lean.is_passed) == (pytest.approx(1 / 3), True)
    fast = bar(records, BIKE, PEFT)
    assert (fast.value, fast.is_passed) == (pytest.approx(1.45), False)
    assert bar(records, BIKE, TRL).is_passed is None


def test_the_best_peer_decides_whether_our_loss_is_lower():
    curve = [(1, 1.0, 2.0)]
    records = [
        loss(OURS, [10, 20, 30], curve),
        loss(PEFT, [12, 21, 31], curve),
        loss(FACTORY, [20, 30, 40], curve),
    ]
    found = bar(records, "held-out loss", "best peer's")
    assert (found.value, found.is_passed) == (pytest.approx(60 / 64), True)
    summary = Rounds(records)
    mine, peft, _ = summary
    difference = gain(summary, mine, peft)
    assert difference is not None
    assert 0 < difference.low < difference.value < difference.high


def test_the_time_to_a_loss_is_that_of_the_first_look_below_it():
    records = [
        loss(PEFT, [10], [(1, 5.0, 3.0), (2, 10.0, 2.0)]),
        loss(OURS, [10], [(1, 3.0, 2.5), (2, 6.0, 1.9), (3, 9.0, 1.5)]),
        loss(TRL, [10], [(1, 5.0, 3.0), (2, 10.0, 2.9)]),
    ]
    summary = Rounds(records)
    cells = [seconds_to(summary, key) for key in summary]
    assert [cell.median if cell else None for cell in cells] == [10.0, 6.0, None]


def test_our_defaults_may_be_two_percent_from_the_best_of_the_sweep():
    def point(setting: str, value: float, number: int = 0) -> RunRecord:
        return record("sweep", OURS, setting, number=number, loss_fp32=value)

    best = sweep.point_name("twice the rate", 16)
    assert bar([point(sweep.DEFAULT, 1.01), point(best, 1.0)], "sweep").is_passed
    assert not bar([point(sweep.DEFAULT, 1.03), point(best, 1.0)], "sweep").is_passed
    # A seed that not every point has would favour some of them.
    records = [point(sweep.DEFAULT, 1.01), point(best, 1.0), point(sweep.DEFAULT, 9.0, 1)]
    assert findings.sweep_losses(Rounds(records), BIKE)[sweep.DEFAULT] == 1.01


def test_the_page_shows_what_is_missed_and_what_failed():
    records = [
        rate(OURS, speed.DEFAULTS, 100, 3e9),
        rate(PEFT, "micro-batch 1", 100, 2e9),
        loss(OURS, [10, 20], [(1, 1.0, 2.0)]),
        loss(PEFT, [9, 20], [(1, 1.0, 2.0)]),
        record("quality", quality.BASE, "", loss_fp32=3.0, loss_nf4=3.2),
    ]
    page = render(Rounds(records), PROVENANCE, ["TRL failed"])
    assert "tokens/s, times PEFT + Trainer's best | ≥ 1.5× | 1.00× | **fail** |" in page
    assert "- TRL failed" in page
    assert "| the base alone |  | 3.000 | 3.200 | – |" in page


def test_llamafactory_is_told_by_its_own_names(tmp_path: Path, base: Base):
    sample = first_conversations(shipped_samples()[0], tmp_path)
    prepared = prepare(sample, 42, base, tmp_path)
    recipe = Recipe(all_linear=True, checkpointing=False, compute="bf16")
    task = Task(base.folder, sample.path, prepared.rows, tmp_path / "out", 42, recipe)
    task.write()
    told = llamafactory.arguments(task)
    assert told["lora_target"] == "all"
    assert told["disable_gradient_checkpointing"]
    assert told["bf16"]
    assert "lora_rank" not in told
    assert (Path(told["tokenized_path"]) / "train").is_dir()
    assert Base("same", Path(told["model_name_or_path"])).config["dtype"] == "bfloat16"


def make_word_base(folder: Path) -> Path:
    """A tokenizer that knows short words whole, as real ones do."""
    make_tiny_base(folder)
    path = folder / "tokenizer.json"
    told = json.loads(path.read_text("utf-8"))
    vocabulary: dict[str, int] = told["model"]["vocab"]
    merges: dict[str, list[str]] = {}
    for word in product("bdfgklmnprst", "aeiou", "bdfgklmnprst"):
        for end in range(len(word)):
            known = "Ġ" + "".join(word[:end])
            merges.setdefault(known + word[end], [known, word[end]])
    first = len(vocabulary)
    vocabulary |= {token: first + place for place, token in enumerate(merges)}
    for place, token in enumerate(told["added_tokens"], start=len(vocabulary)):
        token["id"] = place
    told["model"]["merges"] = list(merges.values())
    path.write_text(json.dumps(told), encoding="utf-8")
    return folder
