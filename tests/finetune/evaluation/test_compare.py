"""Everything that is measured of a base and an adapter, on a tiny model that learned by heart."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from data.chat import ChatRenderer, Rendered
from data.checking.check import check
from data.conversation import Conversation, Message
from data.shipped import general_conversations
from finetune.bases.base import Base, load_model
from finetune.evaluation import sides as pair_module
from finetune.evaluation.compare import Material, Measured, compare
from finetune.evaluation.effort import duration
from finetune.evaluation.leakage import evenly, longest_copy, training_text
from finetune.evaluation.samples import answer_limit, ask
from finetune.evaluation.sides import Pair, PairedRows, Side, render_pair
from finetune.evaluation.verdict import judge
from finetune.kernels.batch import collate
from finetune.kernels.padded import token_losses
from finetune.training.config import Depth, TrainConfig
from finetune.training.peft_model import add_adapter, save_adapter
from finetune.training.rows import build_rows

TRAINED = [
    "心脾两虚宜早睡百合粥",
    "the chain is worn out now",
    "忌浓茶辣椒烈酒咖啡夜宵",
    "oil it and ride on home",
]
HELD_OUT = ["肝肾阴虚宜散步静心银耳", "tighten the spokes a bit", "多饮水忌憋尿玉米须煮水"]


def conversations(answers: list[str]) -> list[Conversation]:
    return [
        Conversation((Message("user", f"{answer[:2]}?"), Message("assistant", answer)))
        for answer in answers
    ]


@pytest.fixture(scope="module")
def base(make_base: Any) -> Base:
    return Base("tiny", make_base("llama"))


@pytest.fixture(scope="module")
def trained(base: Base) -> list[Rendered]:
    return build_rows(conversations(TRAINED), ChatRenderer(base.tokenizer), 512)[0]


def learn(base: Base, rows: list[Rendered], folder: Path) -> Path:
    """An adapter that knows these answers by heart and nothing else."""
    torch.manual_seed(0)
    model = add_adapter(load_model(base, "fp32", "cpu"), TrainConfig.model_validate({}), 0.0)
    parameters = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=0.01)
    batch = collate(rows)
    for _ in range(120):
        token_losses(model, batch).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    save_adapter(model, folder, base.id)
    return folder


@pytest.fixture(scope="module")
def memoriser(
    base: Base, trained: list[Rendered], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return learn(base, trained, tmp_path_factory.mktemp("memoriser"))


@pytest.fixture(scope="module")
def pair(base: Base, memoriser: Path) -> Pair:
    return make_pair(base, memoriser)


def make_pair(base: Base, memoriser: Path) -> Pair:
    renderer = ChatRenderer(base.tokenizer)
    sides = Side("the base", None, renderer), Side("learned", memoriser, renderer)
    return Pair(base, *sides, "cpu", 1024)


def test_a_base_too_large_to_be_copied_answers_the_same(
    base: Base, memoriser: Path, trained: list[Rendered], monkeypatch: pytest.MonkeyPatch
):
    own, rows = make_pair(base, memoriser), PairedRows(trained, trained)
    monkeypatch.setattr(pair_module, "MOST_MERGED", 0)
    shared = make_pair(base, memoriser)
    found, expected = shared.compare(rows).nll, own.compare(rows).nll
    assert found.baseline.value == pytest.approx(expected.baseline.value, abs=1e-6)
    assert found.adapter.value == pytest.approx(expected.adapter.value, abs=1e-4)
    assert shared.answer(rows, 24) == own.answer(rows, 24)


@pytest.fixture(scope="module")
def measured(pair: Pair, trained: list[Rendered]) -> Measured:
    asked = conversations(HELD_OUT)
    rows = render_pair(pair.baseline, pair.adapter, asked, 512)
    return compare(pair, Material(asked, rows, trained, 2, sample_tokens=24), lambda _: None)


@pytest.mark.parametrize(
    ("depth", "num_stages", "num_samples"), [("none", 1, 0), ("short", 2, 2), ("full", 4, 3)]
)
def test_a_shorter_report_measures_less_and_says_how_long_each_part_takes(
    depth: Depth, num_stages: int, num_samples: int, pair: Pair, trained: list[Rendered]
):
    asked = conversations(HELD_OUT)
    rows = render_pair(pair.baseline, pair.adapter, asked, 512)
    stages: list[str] = []
    works: list[tuple[float, float]] = []
    material = Material(asked, rows, trained, 3, 8, depth=depth)
    found = compare(pair, material, stages.append, lambda *work: works.append(work))
    shares = [round(done / (done + left), 6) for done, left in works]
    assert shares == sorted(shares)
    assert len({*shares}) > 3 * num_stages - 2
    assert shares[-1] == 1
    assert len(stages) == num_stages
    seconds = [
        int(re.findall(r"about (\d+) s to the end of the report", each)[0]) for each in stages
    ]
    assert seconds == sorted(seconds, reverse=True)
    assert len(found.samples.shown if found.samples else ()) == num_samples
    assert bool(found.general) is bool(found.leakage) is (depth == "full")


def test_a_short_report_keeps_its_answers_short(pair: Pair, trained: list[Rendered]):
    asked, rows = conversations(TRAINED), PairedRows(trained, trained)
    limits = [
        Material(asked, rows, (), 2, sample_tokens=tokens, depth="short").limit(pair.adapter, "cpu")
        for tokens in (None, 20, 500)
    ]
    assert limits == [answer_limit(pair.adapter, rows[:2], None, "cpu"), 20, 64]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.1, "about 1 s"), (119, "about 119 s"), (150, "about 2 min")]
)
def test_a_duration_is_told_in_words(seconds: float, text: str):
    assert duration(seconds) == text


def test_memorising_and_overfitting_are_found(measured: Measured):
    leakage = measured.leakage
    assert leakage is not None
    assert leakage.trained_share > 0.9
    assert leakage.held_out_share < 0.4
    assert (leakage.num_trained, leakage.num_held_out) == (4, 3)
    assert leakage.trained.nll.adapter.value < 0.5 < measured.unseen.nll.adapter.value
    kinds = {finding.kind for finding in judge(measured, "the base")}
    assert {"overfitted", "memorises"} <= kinds


def test_the_base_remembers_nothing(pair: Pair, trained: list[Rendered]):
    rows = PairedRows(trained, trained)
    for sample in ask(pair, conversations(TRAINED), rows, 40).shown:
        assert sample.adapter.text == sample.reference
        assert sample.adapter.is_ended
        assert sample.baseline.text != sample.reference


def test_answers_have_room_for_the_longest_reference(pair: Pair, trained: list[Rendered]):
    rows = PairedRows(trained, trained)
    found = ask(pair, conversations(TRAINED), rows, answer_limit(pair.adapter, rows, None, "cpu"))
    assert found.longest_reference < found.max_tokens <= 1.25 * found.longest_reference + 1
    assert not found.is_cut
    assert found.adapter.rouge_l == pytest.approx(100)
    assert ask(pair, conversations(TRAINED), PairedRows(trained, trained), 3).is_cut


def test_forgetting_is_found(base: Base, memoriser: Path, tmp_path: Path):
    renderer = ChatRenderer(base.tokenizer)
    rows, _ = build_rows(general_conversations()["English"], renderer, 512)
    general = learn(base, rows[:4], tmp_path)
    sides = Side("before", general, renderer), Side("after", memoriser, renderer)
    asked = conversations(HELD_OUT)
    found = compare(
        Pair(base, *sides, "cpu", 1024), Material(asked, render_pair(*sides, asked, 512)), print
    )
    assert (found.samples, found.leakage) == (None, None)
    [forgets] = [each for each in judge(found, "before") if each.kind == "forgets"]
    assert "in English" in forgets.text


def test_two_adapters_are_compared_each_with_its_own_prompt(
    base: Base, memoriser: Path, tmp_path: Path, make_adapter: Any
):
    other = make_adapter(base.folder, tmp_path / "other")
    renderer = ChatRenderer(base.tokenizer)
    pair = Pair(
        base,
        Side("other", other, renderer, "你是中医。"),
        Side("learned", memoriser, renderer),
        "cpu",
        1024,
    )
    rows = render_pair(pair.baseline, pair.adapter, conversations(TRAINED), 512)
    assert len(rows.baseline[0].token_ids) > len(rows.adapter[0].token_ids)
    found = pair.compare(rows)
    assert found.nll.adapter.value < 0.5 < found.nll.baseline.value
    again = pair.compare(PairedRows(rows.adapter, rows.adapter))
    assert again.nll.adapter == found.nll.adapter
    assert again.nll.baseline != found.nll.baseline


def test_the_longest_copy_is_found_within_one_answer(base: Base, trained: list[Rendered]):
    corpus = training_text(trained, base.tokenizer)
    assert longest_copy("请您宜早睡百合，忌浓茶辣", corpus) == "宜早睡百合"
    assert longest_copy(TRAINED[0] + TRAINED[1], corpus) in (TRAINED[0], TRAINED[1])
    assert longest_copy("XYZ", corpus) == longest_copy("", corpus) == ""


def test_rows_are_chosen_from_all_over(trained: list[Rendered]):
    assert evenly(trained, 2) == [trained[0], trained[2]]
    assert evenly(trained, 9) == trained
    assert evenly([], 3) == []


def test_the_general_sets_are_sound_and_short():
    for language, shipped in general_conversations().items():
        findings = check(shipped)
        assert not findings.faults, language
        assert 12 <= len(shipped) <= 20
        assert all(len(each.messages) == 2 for each in shipped)
