"""The queue's rows, on SQLite and PostgreSQL alike."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from service.errors import JobNotFound, LimitReached, NameTaken
from service.jobs.events import Events, News
from service.jobs.job import JobError, NewJob
from service.jobs.jobs import Jobs
from service.state.database import State


def new_job(job_id: str, **values: Any) -> NewJob:
    given: dict[str, Any] = {
        "id": job_id,
        "key_id": "key_1",
        "place": "here",
        "model": "smollm2-135m",
        "name": "中医",
        "training_file": "file-1",
        "run": f"runs/{job_id}",
        "options": {"epochs": 1},
        "seed": 7,
    }
    return NewJob(**(given | values))


def test_jobs_come_back_as_they_were_made_newest_first(state: State):
    jobs = Jobs(state, clock=lambda: 100.0)
    for number in range(3):
        jobs.add(new_job(f"ftjob-{number}", metadata={"clinic": "甲"} if number else None))
    found = jobs.find("ftjob-1")
    assert (found.name, found.options, found.metadata) == ("中医", {"epochs": 1}, {"clinic": "甲"})
    assert (found.status, found.created, found.alias) == (
        "validating_files",
        100,
        "ft:smollm2-135m::中医:1",
    )
    assert [job.id for job in jobs.newest()] == ["ftjob-2", "ftjob-1", "ftjob-0"]
    assert [job.id for job in jobs.newest(after="ftjob-2", limit=1)] == ["ftjob-1"]
    assert [job.id for job in jobs.newest(metadata={"clinic": "甲"})] == ["ftjob-2", "ftjob-1"]
    assert jobs.newest(key_id="key_2") == []
    with pytest.raises(JobNotFound):
        jobs.newest(after="ftjob-9")


def test_a_status_changes_only_from_where_it_was_expected(state: State):
    jobs = Jobs(state, clock=lambda: 100.0)
    jobs.add(new_job("ftjob-1"))
    assert not jobs.move("ftjob-1", ["queued"], "running")
    assert jobs.move("ftjob-1", ["validating_files"], "queued")
    error = JobError("invalid_n_examples", "too few", "training_file")
    assert jobs.move("ftjob-1", ["queued"], "failed", error=error)
    ended = jobs.find("ftjob-1")
    assert (ended.error, ended.finished, ended.has_ended) == (error, 100, True)
    assert jobs.open("here") == []
    jobs.move("ftjob-1", ["failed"], has_leftovers=True)
    assert [job.id for job in jobs.open("here")] == ["ftjob-1"]
    assert jobs.open("elsewhere") == []


def test_jobs_made_at_once_all_get_a_place_in_the_queue(state: State):
    jobs = Jobs(state)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: jobs.add(new_job(f"ftjob-{number}")), range(12)))
    assert sorted(job.number for job in jobs.newest()) == [*range(1, 13)]


def test_a_key_has_only_so_many_unfinished_jobs(state: State):
    jobs = Jobs(state)
    for number in range(2):
        jobs.add(new_job(f"ftjob-{number}"), most=2)
    with pytest.raises(LimitReached, match="may have 2 unfinished jobs"):
        jobs.add(new_job("ftjob-2"), most=2)
    jobs.add(new_job("ftjob-3", key_id="key_2"), most=2)
    jobs.move("ftjob-0", ["validating_files"], "cancelled")
    jobs.add(new_job("ftjob-4"), most=2)


def test_what_is_told_again_takes_the_place_of_what_was_told(state: State):
    events = Events(state)
    metrics = {"step": 1, "train_loss": 2.0}
    events.tell("ftjob-1", News("started", "Fine-tuning job started"), News("s1", "1/2", metrics))
    events.tell("ftjob-1", News("s1", "1/2", metrics | {"train_loss": 1.5}), News("s2", "2/2"))
    told = events.newest("ftjob-1")
    assert [event.message for event in told] == ["2/2", "1/2", "Fine-tuning job started"]
    assert told[1].data == {"step": 1, "train_loss": 1.5}
    assert [event.kind for event in told] == ["message", "metrics", "message"]
    assert events.newest("ftjob-1", after=told[0].id, limit=1) == [told[1]]
    assert [event.number for event in events.since("ftjob-1", 1)] == [2, 3]
    assert [event.number for event in events.since("ftjob-1", 1, limit=1)] == [2]


def test_events_of_two_tellers_are_all_kept(state: State):
    events = Events(state)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: events.tell("ftjob-1", News(f"{number}", "x")), range(12)))
    assert [event.number for event in events.since("ftjob-1", 0)] == [*range(1, 13)]


def test_metadata_is_found_whatever_its_keys_are(state: State):
    jobs = Jobs(state)
    odd = {"诊所": "甲", 'a"b': "1", "a.b[0]": "", "\\": "$"}
    jobs.add(new_job("ftjob-1", metadata=odd))
    jobs.add(new_job("ftjob-2", metadata={"诊所": "乙"}))
    jobs.add(new_job("ftjob-3"))
    for key, value in odd.items():
        assert [job.id for job in jobs.newest(metadata={key: value})] == ["ftjob-1"], key
    assert jobs.newest(metadata={"诊所": "甲", "other": "甲"}) == []
    assert jobs.newest(metadata={"诊所": "\0"}) == []
    assert [job.id for job in jobs.newest(without_metadata=True)] == ["ftjob-3"]


@pytest.mark.parametrize("hostile", ["", "ftjob-", "ftjob-\0", "ftjob-" + "1" * 99, "'; --", "中"])
def test_an_id_that_cannot_be_one_is_not_found(state: State, hostile: str):
    with pytest.raises(JobNotFound):
        Jobs(state).find(hostile)


def test_a_new_name_is_one_keys_until_its_job_ends(state: State):
    jobs = Jobs(state)
    jobs.add(new_job("ftjob-1"), claims=True)
    jobs.add(new_job("ftjob-2"), claims=True)
    with pytest.raises(NameTaken, match="'中医'"):
        jobs.add(new_job("ftjob-3", key_id="key_2"), claims=True)
    jobs.add(new_job("ftjob-4", key_id="key_2", name="other"), claims=True)
    for job_id in ("ftjob-1", "ftjob-2"):
        jobs.move(job_id, ["validating_files"], "cancelled")
    jobs.add(new_job("ftjob-5", key_id="key_2"), claims=True)


def test_of_keys_that_claim_a_name_at_once_one_gets_it(state: State):
    jobs = Jobs(state)

    def claim(number: int) -> bool:
        try:
            jobs.add(new_job(f"ftjob-{number}", key_id=f"key_{number}"), claims=True)
        except NameTaken:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(claim, range(8))) == 1


def test_trained_tokens_are_those_of_a_keys_recent_jobs(state: State):
    now = 1000.0
    jobs = Jobs(state, clock=lambda: now)
    for number, key_id in enumerate(["key_1", "key_1", "key_2"]):
        jobs.add(new_job(f"ftjob-{number}", key_id=key_id))
        jobs.move(f"ftjob-{number}", ["validating_files"], "succeeded", trained_tokens=50)
        now += 100
    jobs.add(new_job("ftjob-9"))
    assert [jobs.trained_tokens("key_1", since) for since in (1000, 1001, 1101)] == [100, 50, 0]
