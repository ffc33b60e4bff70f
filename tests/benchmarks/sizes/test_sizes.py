"""The benchmark of sizes: rehearsed with a tiny base, and judged by made-up records."""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from typer.testing import CliRunner

from benchmarks.process import running
from benchmarks.sizes.__main__ import app
from benchmarks.sizes.base import make_sized_base
from benchmarks.sizes.findings import Findings
from benchmarks.sizes.loading import COLD, NOTHING, OURS
from benchmarks.sizes.memory import MemoryWatch
from benchmarks.sizes.serving import AFTER, BEFORE, FIRST, LOOPS, MEMORY
from benchmarks.sizes.shapes import SHAPES, Least, shape_of
from benchmarks.sizes.sitting import SizeJournal, SizeKey, SizeRecord
from benchmarks.sizes.training import REHEARSED, TRAINED, TRAINER
from finetune.bases.base import find_base, load_model
from service.bench.figures import Figures


def test_a_rehearsal_is_written_down_and_not_repeated(tmp_path: Path):
    out = tmp_path / "out" / "sizes"
    arguments = ["--tiny", "--parts", "answers", "--home", str(tmp_path), "--out", str(out)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    found = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert all(record["error"] is None for record in found["records"])
    assert str(tmp_path) not in out.with_suffix(".md").read_text(encoding="utf-8")
    count = len(found["records"])
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert len(json.loads(out.with_suffix(".json").read_text("utf-8"))["records"]) == count


@pytest.mark.parametrize("size", ["2b", "7b:int2"])
def test_an_unknown_size_is_refused(size: str, tmp_path: Path):
    arguments = ["--sizes", size, "--home", str(tmp_path), "--out", str(tmp_path / "x")]
    assert "1.1b" in CliRunner().invoke(app, arguments).output


def test_a_base_is_whole_and_its_tokenizer_works(tmp_path: Path):
    folder = make_sized_base(tmp_path / "base", SHAPES["tiny"], tmp_path)
    base = find_base(str(folder), tmp_path)
    model = load_model(base, "fp32", "cpu")
    assert sum(p.numel() for p in model.parameters()) == shape_of("tiny").num_parameters
    ids = base.tokenizer.apply_chat_template([{"role": "user", "content": "A"}], tokenize=True)
    assert max(ids["input_ids"]) < SHAPES["tiny"]["vocab_size"]
    assert model(torch.tensor([ids["input_ids"]])).logits.std() < 5
    assert len(list(folder.glob("*.safetensors"))) == shape_of("tiny").num_layers + 2
    with safe_open(folder / "model-00001-of-00004.safetensors", framework="pt") as file:
        assert file.get_tensor("model.embed_tokens.weight").dtype == torch.bfloat16


def test_shapes_have_the_parameters_of_their_names():
    assert shape_of("1.1b").num_parameters == pytest.approx(1.1e9, rel=0.01)
    assert shape_of("7b").num_parameters == pytest.approx(6.74e9, rel=0.01)


def test_four_bits_are_little_more_than_half_of_eight():
    assert 0.53 < Least.of("7b:int4").weight_bytes / Least.of("7b").weight_bytes < 0.56


def test_memory_is_seen_at_its_highest_even_if_it_is_given_back(tmp_path: Path):
    held = 1 << 26
    code = f"import time; x = bytearray({held}); x[::4096] = b'x' * len(x[::4096]); time.sleep(0.3)"
    program = f"{code}; del x; print('done', flush=True); time.sleep(60)"
    with (
        running([sys.executable, "-c", program], log := tmp_path / "log") as process,
        MemoryWatch(process.process.pid) as watch,
    ):
        process.wait_for(lambda: "done" in log.read_text(encoding="utf-8") or None, pause=0.05)
        assert held < watch.anonymous < 2 * held
        assert watch.resident >= watch.anonymous


def test_goals_are_shares_of_what_is_possible(tmp_path: Path):
    least, journal = Least.of("1.1b"), SizeJournal(tmp_path / "x.jsonl", SizeRecord)

    def add(server: str, what: str, figures: Figures) -> None:
        key = SizeKey(size="1.1b", server=server, what=what)
        journal.add(SizeRecord(key=key, round=0, figures=figures))

    assert [bar.is_passed for bar in Findings("1.1b", journal).bars] == [None] * 4
    add(OURS, NOTHING, {"seconds": 5, "anonymous_bytes": 1e8})
    add(OURS, COLD, {"seconds": 8, "reading_seconds": 2})
    add(OURS, MEMORY, {"anonymous_bytes": 1e8 + 1.1 * least.weight_bytes})
    gap = 1000 * least.weight_bytes / 20e9
    add(OURS, FIRST, {"between_tokens_p50_ms": gap, "num_tokens": 0})
    assert Findings("1.1b", journal).rival is None
    add("llama-server Q8_0", FIRST, {"between_tokens_p50_ms": 2 * gap})
    beside = {name: rates for name, *rates in Findings("1.1b", journal).beside}
    ours, theirs = beside.pop("one stream: decoded")
    assert ours is not None
    assert theirs == pytest.approx(ours / 2)
    assert [*beside.values()] == [[None, None]] * 3
    assert Findings("1.1b", journal).rival == "llama-server Q8_0"
    add(TRAINER, REHEARSED, {"predicted_bytes": 2e9})
    add(TRAINER, TRAINED, {"resident_bytes": 1.8e9})
    add(LOOPS, BEFORE, {"read_bytes_per_second": 25e9})
    add(LOOPS, AFTER, {"read_bytes_per_second": 20e9})
    decode, held, loading, off = Findings("1.1b", journal).bars
    assert decode.value == pytest.approx(0.8)
    assert held.value == pytest.approx(1.1)
    assert loading.value == pytest.approx(1.5)
    assert off.value == pytest.approx(0.1)
    assert [decode.is_passed, held.is_passed, loading.is_passed] == [True, True, False]
