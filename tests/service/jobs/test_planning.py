"""A plan is made by a process of its own, one at a time, and refused where a job would fail."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from service.errors import FileNotFound, InvalidRequest
from service.jobs.job import NewJob
from service.jobs.planning import MAX_WAITING, Planning
from serving.errors import EngineBusy
from tests.service.jobs.test_jobs import new_job

DIALOGUE = "\n\n".join(f"患者：问题{i}，怎么办？\n医生：宜多休息{i}天。" for i in range(24)) + "\n"


@pytest.fixture
def new(make_base: Any) -> NewJob:
    options = {"base": str(make_base("llama")), "epochs": 2, "seed": 7, "promote": False}
    return new_job("ftjob-1", options=options, training_file="file-1")


def planning(folder: Path, text: str = DIALOGUE, patience: float = 120) -> Planning:
    path = folder / "clinic.txt"
    path.write_text(text, encoding="utf-8")
    return Planning(folder / "home", {"file-1": path}.__getitem__, patience)


def test_a_plan_tells_what_the_job_would_do(tmp_path: Path, new: NewJob):
    plan = asyncio.run(planning(tmp_path).plan(new))
    assert (plan.n_epochs, plan.batch_size, plan.learning_rate_multiplier) == (2, 4, 1.0)
    assert plan.num_conversations + plan.num_held_out == 24
    assert plan.num_steps == 2 * -(-plan.num_conversations // 4)
    assert 0 < plan.answer_tokens < plan.trained_tokens
    assert min(plan.seconds, plan.report_seconds, plan.memory_bytes) > 0
    assert not (tmp_path / "home" / "runs").exists()
    assert not (tmp_path / "home" / "adapters").exists()


def test_data_that_no_job_could_train_on_are_refused(tmp_path: Path, new: NewJob):
    with pytest.raises(InvalidRequest) as refused:
        asyncio.run(planning(tmp_path, "No dialogue at all.").plan(new))
    assert refused.value.param == "training_file"
    assert "clinic.txt" in str(refused.value)
    assert str(tmp_path) not in str(refused.value)


def test_files_are_looked_up_in_a_thread_before_anything_is_started(tmp_path: Path, new: NewJob):
    asked: list[tuple[str, bool]] = []

    def gone(file_id: str) -> Path:
        is_here = threading.current_thread() is threading.main_thread()
        asked.append((file_id, is_here or bool(processes())))
        raise FileNotFound(file_id)

    async def ask() -> list[psutil.Process]:
        with pytest.raises(FileNotFound):
            await Planning(tmp_path, gone).plan(new)
        return processes()

    assert asyncio.run(ask()) == []
    assert asked == [("file-1", False)]


def test_a_plan_that_takes_too_long_is_given_up(tmp_path: Path, new: NewJob):
    with pytest.raises(EngineBusy, match=r"after 0\.01 seconds"):
        asyncio.run(planning(tmp_path, patience=0.01).plan(new))


def test_only_so_many_plans_wait(tmp_path: Path, new: NewJob):
    async def ask_often() -> list[object]:
        plans = planning(tmp_path, patience=0.01)
        asked = (plans.plan(new) for _ in range(MAX_WAITING + 3))
        return await asyncio.gather(*asked, return_exceptions=True)

    told = [str(error) for error in asyncio.run(ask_often())]
    assert sum(each.startswith("Other jobs are being planned") for each in told) == 2


def test_a_plan_that_nobody_waits_for_is_given_up(tmp_path: Path, new: NewJob):
    async def go_away() -> None:
        asked = asyncio.create_task(planning(tmp_path).plan(new))
        while not processes():
            await asyncio.sleep(0.01)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    asyncio.run(go_away())
    assert processes() == []


def processes() -> list[psutil.Process]:
    """Those that make a plan for us."""
    found = psutil.Process().children()
    return [each for each in found if Planning.__module__ in each.cmdline()]
