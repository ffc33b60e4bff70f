"""The benchmark before a stand-in for vLLM, with few and short streams."""

import json
import os
import sys
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.overhead.scripted_server import listening_url
from benchmarks.process import ProgramFailed, running
from benchmarks.vllm_front.__main__ import app
from benchmarks.vllm_front.asking import time_answers
from benchmarks.vllm_front.findings import DIRECT, LOADS, OURS, WAYS, Findings, Flow, Measured
from benchmarks.vllm_front.shapes import CHAT, COMPLETIONS, Word, events

WORD = Word(66, "a")


def measured(way: str, number: int, whole: float, cpu_seconds: float | None) -> Measured:
    flow = Flow(num_tokens=1000, seconds=0.05, cpu_seconds=cpu_seconds)
    return Measured(way, number, whole, whole, {load.name: flow for load in LOADS})


def findings(whole: float, cpu_seconds: float) -> Findings:
    """Two rounds, in the second of which everything takes longer."""
    rounds = [
        measured(way, number, taken + number / 100, None if way == DIRECT else cpu_seconds)
        for number in (1, 2)
        for way, taken in ((DIRECT, 0.001), (OURS[0], 0.002), (OURS[1], whole))
    ]
    return Findings(1, 1, 8, None, rounds)


def test_all_tokens_come_and_what_is_measured_is_written(tmp_path: Path):
    cores = os.sched_getaffinity(0)
    sizes = ["--requests", "2", "--streams", "3", "--output-tokens", "16", "--repeats", "1"]
    out = ["--beside", "other tests", "--out", str(tmp_path / "found")]
    result = CliRunner().invoke(app, [*sizes, *out])
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert [each["way"] for each in found["measured"]] == [*WAYS]
    flows = [flow for each in found["measured"] for flow in each["flows"].values()]
    assert [flow["num_tokens"] for flow in flows] == [3 * 16] * len(WAYS) * len(LOADS)
    page = (tmp_path / "found.md").read_text(encoding="utf-8")
    assert "other tests" in page
    assert result.exit_code == (1 if "**fail**" in page else 0), result.output
    assert os.sched_getaffinity(0) == cores


@pytest.mark.parametrize(
    ("whole", "cpu_seconds", "missed"),
    [(0.0039, 0.099, 0), (0.0041, 0.099, 2), (0.0039, 0.101, len(LOADS))],
)
def test_the_dearer_of_base_and_adapter_is_held_to_the_bars(
    whole: float, cpu_seconds: float, missed: int
):
    bars = findings(whole, cpu_seconds).bars
    assert sum(not bar.is_passed for bar in bars) == missed


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_the_stand_in_sends_as_many_tokens_as_were_asked_for(path: str):
    asked = {"model": "base", "max_tokens": 10}
    chunks = [json.loads(each.removeprefix(b"data: ")) for each in events(path, asked, WORD, 4)]
    parts = [chunk["choices"][0] for chunk in chunks]
    texts = [part["text"] if path == COMPLETIONS else part["delta"]["content"] for part in parts]
    assert [*filter(None, texts)] == ["aaaa", "aaaa", "aa"]
    assert [part["finish_reason"] for part in parts][-2:] == [None, "length"]
    if path == COMPLETIONS:
        assert [len(part["token_ids"]) for part in parts] == [4, 4, 2]


def test_an_output_that_is_no_multiple_of_the_largest_event_is_refused():
    result = CliRunner().invoke(app, ["--output-tokens", "12"])
    assert result.exit_code == 2
    assert "multiple of 8" in result.output


def test_an_answer_that_is_not_the_right_one_is_an_error(tmp_path: Path):
    log = tmp_path / "log"
    command = [sys.executable, "-m", "benchmarks.vllm_front.stand_in", "base", "66", "67"]
    with running(command, log) as server:
        url = server.wait_for(partial(listening_url, log))
        assert len(time_answers(url, "base", "a", 2, streams=True)) == 2
        with pytest.raises(ProgramFailed, match="'b' was to be answered"):
            time_answers(url, "base", "b", 1, streams=False)
        with pytest.raises(ProgramFailed, match="404"):
            time_answers(url, "another", "a", 1, streams=True)
