"""Jobs that do not fit into memory are refused on a GPU, and warned of elsewhere."""

from collections.abc import Callable
from typing import Any

import pytest

from finetune.hardware import GIB, Memory
from service.api.fine_tuning.fit import Fit
from service.errors import InvalidRequest
from tests.service.jobs.test_jobs import new_job

Post = Callable[..., Any]
SMALL = Memory("cuda", total_bytes=8 * GIB, free_bytes=GIB, own_bytes=7 * GIB)
BESIDE_ANOTHER = Memory("cuda", total_bytes=8 * GIB, free_bytes=GIB, own_bytes=2 * GIB)


@pytest.mark.parametrize("wish", [{}, {"dry_run": True}], ids=str)
def test_a_job_that_does_not_fit_beside_the_base_is_refused(
    service: Any, post: Post, wish: dict[str, Any]
):
    service.memory = SMALL
    service.add_file()
    response = post(**wish)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, "does_not_fit", "model")
    assert "about 1.3 GiB of the GPU's memory" in error["message"]
    assert "has free beside this server 1.0 GiB" in error["message"]
    assert "--jobs exclusive" in error["message"]
    assert service.jobs.newest() == []
    assert service.num_woken == 0


def test_beside_a_base_that_leaves_memory_for_jobs_all_of_the_gpu_counts(service: Any):
    def exclusive(memory: Memory) -> Fit:
        return Fit(service.base, service.home, is_exclusive=True, look=lambda: memory)

    exclusive(SMALL).check(new_job("ftjob-1"), is_training=False)
    tiny = Memory("cuda", total_bytes=GIB, free_bytes=GIB, own_bytes=0)
    with pytest.raises(InvalidRequest, match=r"has in all 1\.0 GiB\. Serve a smaller base"):
        exclusive(tiny).check(new_job("ftjob-1"), is_training=False)


def test_a_dry_run_fits_beside_the_base_or_is_refused(service: Any):
    fit = Fit(service.base, service.home, is_exclusive=True, look=lambda: SMALL)
    fit.check(new_job("ftjob-1"), is_training=False)
    with pytest.raises(InvalidRequest, match=r"free beside this server 1\.0 GiB\. Make the job"):
        fit.check(new_job("ftjob-1"), is_training=False, is_dry=True)


def test_of_a_base_whose_shape_is_not_known_nothing_is_said(service: Any):
    fit = Fit("nowhere.gguf", service.home, is_exclusive=False, look=lambda: SMALL)
    fit.check(new_job("ftjob-1"), is_training=False)
    assert fit.warning(new_job("ftjob-1")) is None


def test_what_another_job_holds_is_free_when_this_ones_turn_comes(service: Any, post: Post):
    service.add_file()
    running = post().json()["id"]
    service.memory = BESIDE_ANOTHER
    assert post().status_code == 400
    with service.desk.working_on(running):
        assert post().status_code == 200


def test_a_machine_without_a_gpu_warns_where_it_is_plainly_too_small(service: Any, post: Post):
    service.memory = Memory("cpu", total_bytes=GIB, free_bytes=GIB, own_bytes=0)
    service.add_file()
    job = post()
    assert job.status_code == 200
    (told,) = (event for event in service.events.newest(job.json()["id"]) if event.level == "warn")
    assert "this machine has 1.0 GiB" in told.message
    service.memory = Memory("cpu", total_bytes=3 * GIB, free_bytes=1, own_bytes=0)
    assert all(e.level == "info" for e in service.events.newest(post().json()["id"]))
