"""A run can be taken up again: what is measured stays, what failed is tried once more."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.journal import Journal
from benchmarks.process import ProgramFailed
from benchmarks.serving.plan import Measure, Measured, Plan, Workload

EIGHT = Workload("eight", 8, 24)
ONE = Workload("one", 8, 24)


class Server:
    """Counts its starts, answers every workload, and fails those it is told to."""

    def __init__(self, *failing: Workload) -> None:
        self.failing = failing
        self.num_starts = 0
        self.asked: list[tuple[Workload, int]] = []

    @contextmanager
    def start(self) -> Generator[Measure]:
        self.num_starts += 1
        yield self.measure

    def measure(self, workload: Workload, seed: int) -> Measured:
        self.asked.append((workload, seed))
        if workload in self.failing:
            raise ProgramFailed("It ended; /home/somebody/logs/x.log:\nout of memory")
        return Measured({"output_tokens_per_second": 100.0}, {"num_done": 24})

    def plan(self) -> Plan:
        return Plan("ours", "lora-chat", (EIGHT, ONE), self.start)


def test_what_was_measured_is_not_measured_again(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    server = Server()
    server.plan().conduct(Journal(path), 0)
    server.plan().conduct(Journal(path), 0)
    assert (server.num_starts, len(server.asked)) == (1, 2)
    server.plan().conduct(Journal(path), 1)
    assert (server.num_starts, len(Journal(path).records)) == (2, 4)


def test_a_failure_is_written_down_and_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "journal.jsonl"
    Server(ONE).plan().conduct(Journal(path), 0)
    (failure,) = Journal(path).failures
    assert failure.key.mix == "one"
    assert failure.error == "It ended; …/x.log:\nout of memory"
    assert "FAILED: It ended; /home/somebody" in capsys.readouterr().err
    again = Server()
    again.plan().conduct(Journal(path), 0)
    assert [workload for workload, _ in again.asked] == [ONE]
    assert Journal(path).failures == []


def test_prompts_are_new_in_each_round_and_the_same_for_every_setting():
    cached = Workload("eight", 8, 16, "prompt cache")
    assert EIGHT.seed(0) == cached.seed(0)
    assert len({w.seed(number) for w in (EIGHT, ONE) for number in range(3)}) == 6
