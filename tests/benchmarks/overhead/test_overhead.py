"""The overhead benchmark, with few and short streams."""

import asyncio
import json
import os
import sys
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.overhead.__main__ import NEEDED, Round, app, bar_of
from benchmarks.overhead.raw_streams import count_tokens, read_streams
from benchmarks.overhead.scripted_server import listening_url
from benchmarks.process import ProgramFailed, running


def make_round(seconds: float) -> Round:
    return Round(
        num_tokens=6000, num_bytes=1, seconds=seconds, server_seconds=1, client_seconds=0.1
    )


def test_it_writes_what_it_has_measured_and_gives_the_cores_back(tmp_path: Path):
    cores = os.sched_getaffinity(0)
    options = ["--streams", "4", "--output-tokens", "300", "--repeats", "1"]
    result = CliRunner().invoke(app, [*options, "--out", str(tmp_path / "found")])
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert [one["num_tokens"] for one in found["rounds"]] == [4 * 300]
    is_passed = found["tokens_per_second"] >= NEEDED
    assert result.exit_code == (0 if is_passed else 1), result.output
    page = (tmp_path / "found.md").read_text(encoding="utf-8")
    assert ("pass" if is_passed else "**fail**") in page
    assert os.sched_getaffinity(0) == cores


@pytest.mark.parametrize(("seconds", "is_passed"), [(1.9, True), (2.1, False)])
def test_the_bar_is_the_median_of_the_rounds(seconds: float, is_passed: bool):
    rounds = [make_round(each) for each in (0.1, seconds, 100)]
    assert bar_of(rounds).is_passed is is_passed


def test_an_answer_that_is_not_what_was_asked_for_is_an_error(tmp_path: Path):
    log = tmp_path / "log"
    command = [
        sys.executable,
        "-m",
        "benchmarks.overhead.scripted_server",
        "-1",
        "8",
        str(tmp_path),
    ]
    with running(command, log) as server:
        url = server.wait_for(partial(listening_url, log))
        streamed = asyncio.run(read_streams(url, "scripted", 2, 8))
        assert streamed.num_tokens == 16
        with pytest.raises(ProgramFailed, match="404 Not Found"):
            asyncio.run(read_streams(url, "another", 1, 8))
        with pytest.raises(ProgramFailed, match="100000 tokens were asked for"):
            asyncio.run(read_streams(url, "scripted", 1, 100_000))


def test_tokens_are_counted_however_their_events_are_cut_into_chunks():
    events = b'data: {"content":""}\n\ndata: {"content":"a"}\n\ndata: [DONE]\n\n'
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for cut in range(1, len(events)):
        parts = (events[:cut], events[cut:], b"")
        framed = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
        assert count_tokens(head + framed, 1, 1) == 1
