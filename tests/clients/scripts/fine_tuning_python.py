"""OpenAI's client for Python: a fine-tuning job from its file to the answers, and two others."""

import csv
import json
import os
import sys
import time
from contextlib import suppress
from typing import Any

from openai import NotFoundError, OpenAI

URL, BASE = sys.argv[1:]
TRAIN: Any = [
    {
        "messages": [
            {"role": "user", "content": f"Question {number}?"},
            {"role": "assistant", "content": f"Answer {number}."},
        ]
    }
    for number in range(12)
]
QUESTION: Any = [{"role": "user", "content": "Question 3?"}]
OPTIONS: Any = {"max_tokens": 8, "temperature": 0, "extra_body": {"ignore_eos": True}}
ENDED = ("succeeded", "failed", "cancelled")
LOOK = 0.1  # [seconds]

client = OpenAI(base_url=URL, api_key=os.environ["CLIENT_KEY"], max_retries=0)
jobs = client.fine_tuning.jobs


def main() -> None:
    content = "\n".join(json.dumps(each) for each in TRAIN).encode()
    brought = client.files.create(file=("questions.jsonl", content), purpose="fine-tune")
    file = client.files.wait_for_processing(brought.id)
    job = order(file.id, "clinic", epochs=30)
    checkpoint = ask_checkpoint(job.id)
    done = wait(job.id, *ENDED)
    first_token = seconds_to_first_token(done.fine_tuned_model or "")
    result = {
        "file": file.status,
        "job": [job.status, done.status, done.fine_tuned_model],
        "checkpoint": checkpoint,
        "first_token": first_token,
        "answers": [ask(done.fine_tuned_model or ""), ask(alias_of(done))],
        "events": events_of(job.id),
        "table": table_of(done.result_files[0]),
        "cancelled": cancel(order(file.id, "dropped", epochs=50).id),
        "paused": pause_and_resume(order(file.id, "rested", epochs=50).id),
    }
    json.dump(result, sys.stdout)


def order(file_id: str, suffix: str, epochs: int) -> Any:
    numbers: Any = {"n_epochs": epochs, "batch_size": 1}
    method: Any = {"type": "supervised", "supervised": {"hyperparameters": numbers}}
    return jobs.create(model=BASE, training_file=file_id, suffix=suffix, seed=7, method=method)


def wait(job_id: str, *statuses: str) -> Any:
    while (job := jobs.retrieve(job_id)).status not in (*statuses, *ENDED):
        time.sleep(LOOK)
    return job


def ask(model: str) -> str | None:
    answer = client.chat.completions.create(model=model, messages=QUESTION, **OPTIONS)
    return answer.choices[0].message.content


def ask_checkpoint(job_id: str) -> Any:
    """How the job stood when its checkpoint had answered."""
    while jobs.retrieve(job_id).status not in ENDED:
        for checkpoint in jobs.checkpoints.list(job_id):
            with suppress(NotFoundError):  # a newer one has taken its place meanwhile
                answer = ask(checkpoint.fine_tuned_model_checkpoint)
                return [jobs.retrieve(job_id).status, answer, checkpoint.step_number]
        time.sleep(LOOK)
    return None


def seconds_to_first_token(model: str) -> float | None:
    begin = time.monotonic()
    chunks = client.chat.completions.create(model=model, messages=QUESTION, stream=True, **OPTIONS)
    for chunk in chunks:
        if chunk.choices and chunk.choices[0].delta.content:
            return time.monotonic() - begin
    return None


def alias_of(job: Any) -> str:
    return f"ft:{job.model}::clinic:{job.id.removeprefix('ftjob-')}"


def events_of(job_id: str) -> Any:
    """The steps and the messages, the oldest first; page by page."""
    events = list(jobs.list_events(job_id, limit=20))[::-1]
    steps = [event.data["step"] for event in events if event.type == "metrics"]  # pyright: ignore
    return [steps, [event.message for event in events if event.type == "message"]]


def table_of(file_id: str) -> Any:
    rows = list(csv.reader(client.files.content(file_id).text.splitlines()))
    return [rows[0], len(rows) - 1]


def cancel(job_id: str) -> Any:
    return [wait(job_id, "running").status, jobs.cancel(job_id).status, wait(job_id).status]


def pause_and_resume(job_id: str) -> Any:
    """What it said of itself, and the steps that were done in the end."""
    while not any(event.type == "metrics" for event in jobs.list_events(job_id)):
        time.sleep(LOOK)
    seen = [jobs.pause(job_id).status, jobs.resume(job_id).status, wait(job_id).status]
    return [seen, events_of(job_id)[0]]


main()
