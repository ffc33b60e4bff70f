"""A sitting measures what fits into its minutes, says what does not, and can be taken up again."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest

from benchmarks.gpu.cells import Journal, Summary
from benchmarks.gpu.clock import RESERVE, Clock
from benchmarks.gpu.material import FULL, REHEARSAL, Material, Scale
from benchmarks.gpu.report import Report, times_bare
from benchmarks.gpu.sides import BARE, BEFORE_VLLM, Group, Side, vllm_command, vllm_variables
from benchmarks.gpu.sitting import Sitting
from benchmarks.process import ProgramFailed
from benchmarks.provenance import Provenance
from benchmarks.serving.plan import Measured
from service.bench.figures import Figures
from service.bench.load import Load

TORCH = "lora-chat, torch bf16"
NUM_CELLS = 4  # of the rehearsal: two numbers of streams, one adapter, none
START, ASK = 10.0, 5.0  # [seconds]
MACHINE = {"cpu": "C", "num_cores": 1, "features": [], "memory_bytes": 1 << 30, "system": "S"}
PROVENANCE = Provenance(date(2026, 1, 1), "python", {**MACHINE, "gpu": None}, {})


def material(folder: Path) -> Material:
    adapters = {name: folder / name for name in ("n1", "n2")}
    return Material(folder / "base", adapters, folder / "home", folder)


@dataclass
class World:
    """Servers that take time by its own clock; a URL is a server's name."""

    folder: Path
    seconds: float = 0.0
    failing: str = ""  # the server that does not start
    running: list[str] = field(default_factory=list[str])
    started: list[str] = field(default_factory=list[str])
    asked: list[str] = field(default_factory=list[str])
    loads: list[Load] = field(default_factory=list[Load])

    def side(self, name: str) -> Side:
        @contextmanager
        def open_side(before: str | None, timeout: float) -> Generator[str]:
            assert self.running == ([] if before is None else [before])
            self.seconds += START
            if name == self.failing:
                raise ProgramFailed("It ended; /home/somebody/x.log:\nout of memory")
            self.started.append(name)
            self.running.append(name)
            try:
                yield name
            finally:
                self.running.remove(name)

        return Side(name, open_side)

    @property
    def groups(self) -> list[Group]:
        return [(self.side(BARE), self.side(BEFORE_VLLM)), (self.side(TORCH),)]

    def measure(self, load: Load, seconds: float) -> Measured:
        assert load.url in self.running
        if seconds < ASK:
            self.seconds += seconds
            raise TimeoutError
        self.seconds += ASK
        self.asked.append(load.url)
        self.loads.append(load)
        rate = 200.0 if load.url == BARE else 100.0
        figures: Figures = {"output_tokens_per_second": rate, "mean_prompt_tokens": 20.0}
        return Measured(figures, {"num_done": 4, "num_failed": 0})

    def sit(self, seconds: float, num_rounds: int = 2) -> str:
        """Returns the page."""
        clock = Clock((seconds + RESERVE) / 60, lambda: self.seconds)
        journal = Journal(self.folder / "result.jsonl")
        names = tuple(side.name for group in self.groups for side in group)
        report = Report(PROVENANCE, REHEARSAL, names, num_rounds)
        num_before, pages = len(journal.records), list[Path]()

        def write() -> None:
            pages.append(report.write(journal))

        rest = clock, num_rounds, write, self.measure
        Sitting(material(self.folder), REHEARSAL, journal, *rest).conduct(self.groups)
        assert len(pages) == len(journal.records) - num_before
        return report.write(journal).read_text("utf-8")


def test_each_server_is_started_once_where_there_is_time_and_alone(tmp_path: Path):
    world = World(tmp_path)
    page = world.sit(1000)
    assert world.started == [BARE, BEFORE_VLLM, TORCH]
    first_round = [BARE] * NUM_CELLS + [BEFORE_VLLM] * NUM_CELLS
    assert world.asked == [*first_round, *first_round, *[TORCH] * 2 * NUM_CELLS]
    assert "not measured" not in page
    assert f"| {TORCH} | 2 | 1 | 100.0 (100.0–100.0) | 0.50 |" in page
    assert f"| {BARE} | none | 2 | 200.0 (200.0–200.0) | – |" in page
    assert f"| {TORCH} | 100.0 | 100% | 100% |" in page


def test_all_servers_get_the_same_prompts_and_each_round_new_ones(tmp_path: Path):
    world = World(tmp_path)
    world.sit(1000)
    seeds = {(load.url, load.seed) for load in world.loads}
    per_server = {name: {seed for url, seed in seeds if url == name} for name in world.started}
    assert len(seeds) == 3 * 2 * NUM_CELLS
    assert per_server[BARE] == per_server[BEFORE_VLLM] == per_server[TORCH]
    targets = {load.targets[0].model for load in world.loads}
    assert targets == {"n1", "base"}


def test_the_first_round_of_everybody_goes_before_a_second_one(tmp_path: Path):
    world = World(tmp_path)
    both_once = 2 * START + 2 * NUM_CELLS * ASK + START + NUM_CELLS * ASK
    page = world.sit(both_once + 1)
    assert world.asked.count(TORCH) == world.asked.count(BARE) == NUM_CELLS
    assert "not measured" not in page


def test_what_does_not_fit_is_said_and_the_same_command_goes_on_with_it(tmp_path: Path):
    world = World(tmp_path)
    page = world.sit(START + 2 * ASK + 1, num_rounds=1)
    assert world.started == [BARE]
    assert page.count("not measured: no time was left") == 3 * NUM_CELLS - 2
    assert world.seconds <= START + 2 * ASK + 1
    page = world.sit(1000, num_rounds=1)
    assert "not measured" not in page
    assert [world.asked.count(name) for name in (BARE, BEFORE_VLLM, TORCH)] == [NUM_CELLS] * 3
    world.started.clear()
    world.sit(1000, num_rounds=1)
    assert world.started == []


def test_a_server_is_not_started_for_what_cannot_be_finished(tmp_path: Path):
    world = World(tmp_path)
    world.sit(1000, num_rounds=1)
    world.started.clear()
    world.sit(START + ASK - 1, num_rounds=2)
    assert world.started == []


def test_a_measurement_that_is_cut_off_is_no_measurement(tmp_path: Path):
    world = World(tmp_path)
    world.sit(START + ASK / 2, num_rounds=1)
    assert world.started == [BARE]
    assert Journal(tmp_path / "result.jsonl").records == []


def test_a_server_that_fails_is_told_and_the_others_go_on(tmp_path: Path):
    world = World(tmp_path, failing=BEFORE_VLLM)
    page = world.sit(1000)
    assert f"| {BEFORE_VLLM} | 2 | 1 | failed: It ended; …/x.log: out of memory |" in page
    assert world.asked.count(TORCH) == 2 * NUM_CELLS
    assert world.running == []
    world.failing = ""
    assert "failed:" not in world.sit(1000)


def test_ours_is_so_many_times_the_bare_server_by_the_same_load(tmp_path: Path):
    World(tmp_path).sit(1000)
    summary = Summary(Journal(tmp_path / "result.jsonl").records)
    ratios = {key.side: times_bare(summary, key) for key in summary}
    assert ratios == {BARE: None, BEFORE_VLLM: 0.5, TORCH: 0.5}


@pytest.mark.parametrize("scale", [FULL, REHEARSAL])
def test_vllm_gets_all_adapters_and_room_for_those_that_are_pushed(tmp_path: Path, scale: Scale):
    found = vllm_command(material(tmp_path), scale, tmp_path / "bin" / "vllm")
    modules = found[found.index("--lora-modules") + 1 :]
    assert modules == [f"{name}={tmp_path / name}" for name in ("n1", "n2")]
    value = {option: found[found.index(option) + 1] for option in found if option[:2] == "--"}
    assert (value["--max-loras"], value["--max-cpu-loras"]) == ("2", "5")
    assert value["--max-num-seqs"] == str(max(scale.streams))
    variables = vllm_variables(material(tmp_path), scale, tmp_path / "bin" / "vllm")
    assert variables["PATH"].startswith(str(tmp_path / "bin"))
    is_on_gpu = scale.device == "cuda"
    assert ("--gpu-memory-utilization" in found) == is_on_gpu
    assert ("VLLM_CPU_KVCACHE_SPACE" in variables) != is_on_gpu
