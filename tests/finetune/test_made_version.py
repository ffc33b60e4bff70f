"""Runs that are killed while their version appears: it is made once, and known again."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from finetune.adapters.versions import (
    find_version,
    list_versions,
    promote,
    promoted_version,
    remove_version,
)
from finetune.errors import Interrupted, NotResumable, TrainingStopped
from finetune.job import Job
from finetune.training.config import TrainConfig
from finetune.training.observer import Silent, StepMetrics
from finetune.training.run import STATE_FILE, made_version, read_state, settle
from tests.disk_calls import killed_at

DIALOGUE = "\n\n".join(f"患者：问题{i}，怎么办？\n医生：宜多休息{i}天。" for i in range(12)) + "\n"
RUN = Path("runs/tcm-2")
# What takes its place when a version is made, in this order.
PLACES = [Path("adapters/tcm/2"), Path("adapters/tcm/promoted"), RUN / STATE_FILE]


class StopAtTheEnd(Silent):
    """Stops a run when its steps are done."""

    def __init__(self) -> None:
        self.is_done = False

    def on_step(self, metrics: StepMetrics) -> None:
        self.is_done = metrics.step == metrics.num_steps

    def should_stop(self) -> bool:
        return self.is_done


class Work:
    """A home where tcm@1 is, and where a second run has trained, and has not begun to finish."""

    def __init__(self, home: Path, base: Path, data: Path) -> None:
        self.home, self.base, self.data = home, base, data
        self.adapters = self.home / "adapters"
        self.run = self.home / RUN

    def job(self, observer: Silent | None = None, **options: Any) -> Job:
        values = {"data": str(self.data), "base": str(self.base), "epochs": 1}
        values |= {"quantize": "none", "rank": 2, "report": "none", **options}
        return Job(TrainConfig.model_validate(values), self.home, observer)

    def resume_and_die(self, place: Path, **options: Any) -> None:
        """Resume in a process that is killed before something takes its place."""
        killed_at(self.home / place, resume, self, options)

    def files(self) -> dict[Path, bytes]:
        """What lies in the run and under adapters/."""
        found = (path for folder in (self.adapters, self.run) for path in folder.rglob("*"))
        return {path: path.read_bytes() for path in found if path.is_file()}

    def leftovers(self) -> list[Path]:
        return [path for folder in (self.adapters, self.run) for path in folder.glob(".*")]


def resume(work: Work, options: dict[str, Any]) -> None:
    work.job(**options).execute(resume=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, make_base: Any) -> Work:
    folder = tmp_path_factory.mktemp("trained")
    work = Work(folder / "home", make_base("llama"), folder / "tcm.txt")
    work.data.write_text(DIALOGUE, encoding="utf-8")
    work.job().execute()
    with pytest.raises(TrainingStopped, match="after the training"):
        work.job(StopAtTheEnd()).execute()
    return work


@pytest.fixture
def work(trained: Work, tmp_path: Path) -> Work:
    shutil.copytree(trained.home, tmp_path / "home")
    return Work(tmp_path / "home", trained.base, trained.data)


def test_a_run_killed_before_its_version_appears_makes_it_when_it_is_resumed(work: Work):
    work.resume_and_die(PLACES[0])
    assert work.leftovers() != []
    assert made_version(work.run, work.adapters) is None
    version = work.job().execute(resume=True).version
    assert str(version) == "tcm@2"
    assert list_versions(work.adapters, "tcm") == ["1", "2"]
    assert work.leftovers() == []


@pytest.mark.parametrize("place", PLACES[1:], ids=["unpromoted", "unnoted"])
def test_a_run_killed_after_its_version_appeared_makes_no_second_one(place: Path, work: Work):
    work.resume_and_die(place)
    assert str(made_version(work.run, work.adapters)) == "tcm@2"
    assert read_state(work.run).adapter is None
    with pytest.raises(NotResumable, match="complete: it made tcm@2"):
        work.job().execute(resume=True)
    assert list_versions(work.adapters, "tcm") == ["1", "2"]
    assert promoted_version(work.adapters, "tcm") == "2"
    assert read_state(work.run).adapter == "tcm@2"


@pytest.mark.parametrize("place", PLACES[:2], ids=["unmade", "unpromoted"])
def test_a_run_that_somebody_works_on_stays_as_it_is(place: Path, work: Work):
    work.resume_and_die(place)
    before = work.files()

    def refuse(folder: Path) -> None:
        assert (folder, work.files()) == (work.run, before)
        raise Interrupted("Another process works on this run.")

    with pytest.raises(Interrupted, match="Another process"):
        work.job(promote=False).execute(resume=True, on_begun=refuse)
    assert work.files() == before


def test_a_version_that_was_to_be_kept_back_is_not_promoted_afterwards(work: Work):
    work.resume_and_die(PLACES[2], promote=False)
    assert str(settle(work.run, work.adapters)) == "tcm@2"
    assert promoted_version(work.adapters, "tcm") == "1"


def test_a_version_that_is_about_to_be_removed_is_not_promoted_before(work: Work):
    work.resume_and_die(PLACES[1])
    assert str(settle(work.run, work.adapters, promotes=False)) == "tcm@2"
    assert promoted_version(work.adapters, "tcm") == "1"


def test_what_is_settled_stays_as_it_is(work: Work):
    version = work.job().execute(resume=True).version
    promote(work.adapters, "tcm", "1")
    assert settle(work.run, work.adapters) == made_version(work.run, work.adapters) == version
    assert promoted_version(work.adapters, "tcm") == "1"


def test_a_number_that_is_given_again_is_not_taken_for_the_version(work: Work):
    version = work.job().execute(resume=True).version
    remove_version(work.adapters, version)
    assert made_version(work.run, work.adapters) is None
    again = work.job().execute()
    assert str(again.version) == str(version)
    assert made_version(work.run, work.adapters) is None
    assert made_version(again.run, work.adapters) == again.version


def test_a_run_of_before_runs_had_an_id_knows_its_version_by_name(work: Work):
    first = work.home / "runs" / "tcm-1"
    state = read_state(first).model_copy(update={"id": ""})
    (first / STATE_FILE).write_text(state.model_dump_json())
    assert made_version(first, work.adapters) == find_version(work.adapters, "tcm@1")
    assert settle(first, work.adapters) == find_version(work.adapters, "tcm@1")
    assert settle(work.home / "runs" / "none", work.adapters) is None
