"""The benchmark of jobs, with a tiny base and two jobs; and that it sees what it looks for."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.jobs.__main__ import app
from benchmarks.jobs.findings import Findings, Side, write
from benchmarks.jobs.queue import JobSeen
from benchmarks.soaking.question import Outcome
from benchmarks.soaking.traffic import Tally
from service.bench.measurement import Spread

DONE = JobSeen("succeeded", started=1, ended=31, first_token=0.2)


def side(p95: float, *faults: Outcome) -> Side:
    tally = Tally(num_tokens=100)
    for fault in faults:
        tally.outcomes[fault] += 1
    return Side(10, Spread(10, p95, 30, 40), tally)


@pytest.mark.slow
def test_two_jobs_beside_a_server(tmp_path: Path):
    options = ["--tiny", "--jobs", "2", "--seconds", "1", "--pause", "0", "--questions", "2"]
    paths = ["--home", str(tmp_path), "--out", str(tmp_path / "jobs")]
    result = CliRunner().invoke(app, [*options, *paths])
    assert (tmp_path / "jobs.json").exists(), result.output
    found = json.loads((tmp_path / "jobs.json").read_text(encoding="utf-8"))["found"]
    assert [job["status"] for job in found["jobs"]] == ["succeeded", "succeeded"]
    assert all(job["first_token"] > 0 and job["ended"] > job["started"] for job in found["jobs"])
    outcomes = found["beside"]["tally"]["outcomes"]
    assert outcomes.pop(Outcome.RIGHT) > 0
    assert not any(outcomes.values())
    assert not list(tmp_path.glob(".soak-*")), "its home is gone"


@pytest.mark.parametrize(
    ("beside", "job", "missed"),
    [
        (side(39), DONE, None),
        (side(41), DONE, "between two pieces, p95, times that without a job"),
        (side(20, Outcome.FAILED), DONE, "5xx"),
        (side(20, Outcome.WRONG), DONE, "wrong answers"),
        (side(20), JobSeen("failed", error="the disk is full"), "jobs that have not succeeded"),
        (
            side(20),
            JobSeen("succeeded", started=1, ended=2, first_token=1.2),
            "from `succeeded` to the first token, longest",
        ),
    ],
    ids=["all well", "slower", "5xx", "wrong", "failed", "late"],
)
def test_each_bar_is_missed_by_itself(
    beside: Side, job: JobSeen, missed: str | None, tmp_path: Path
):
    found = Findings(4, 2.0, 12, side(20), beside, [DONE, job])
    assert [bar.name for bar in found.bars if not bar.is_passed] == ([missed] if missed else [])
    page = write(tmp_path / "jobs", found, "python -m benchmarks.jobs").read_text("utf-8")
    assert ("**fail**" in page) is (missed is not None)
    assert job.error is None or job.error in page
