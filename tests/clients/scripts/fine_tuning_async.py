"""OpenAI's asynchronous client for Python: fine-tuning jobs, several followed at once."""

import asyncio
import csv
import json
import os
import sys
import time
from contextlib import suppress
from typing import Any

from openai import AsyncOpenAI, NotFoundError

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

client = AsyncOpenAI(base_url=URL, api_key=os.environ["CLIENT_KEY"], max_retries=0)
jobs = client.fine_tuning.jobs


async def main() -> None:
    content = "\n".join(json.dumps(each) for each in TRAIN).encode()
    brought = await client.files.create(file=("questions.jsonl", content), purpose="fine-tune")
    file = await client.files.wait_for_processing(brought.id)
    names = {"clinic": 30, "dropped": 50, "rested": 50}
    ordered = [await order(file.id, name, epochs) for name, epochs in names.items()]
    first, dropped, rested = ordered
    (checkpoint, done, first_token), cancelled, paused = await asyncio.gather(
        follow(first.id), cancel(dropped.id), pause_and_resume(rested.id)
    )
    result = {
        "file": file.status,
        "job": [first.status, done.status, done.fine_tuned_model],
        "checkpoint": checkpoint,
        "first_token": first_token,
        "answers": [await ask(done.fine_tuned_model), await ask(alias_of(done))],
        "events": await events_of(first.id),
        "table": await table_of(done.result_files[0]),
        "cancelled": cancelled,
        "paused": paused,
    }
    json.dump(result, sys.stdout)


async def order(file_id: str, suffix: str, epochs: int) -> Any:
    numbers: Any = {"n_epochs": epochs, "batch_size": 1}
    method: Any = {"type": "supervised", "supervised": {"hyperparameters": numbers}}
    return await jobs.create(
        model=BASE, training_file=file_id, suffix=suffix, seed=7, method=method
    )


async def follow(job_id: str) -> Any:
    checkpoint = await ask_checkpoint(job_id)
    done = await wait(job_id)
    return checkpoint, done, await seconds_to_first_token(done.fine_tuned_model or "")


async def wait(job_id: str, *statuses: str) -> Any:
    while (job := await jobs.retrieve(job_id)).status not in (*statuses, *ENDED):
        await asyncio.sleep(LOOK)
    return job


async def ask(model: str) -> str | None:
    answer = await client.chat.completions.create(model=model, messages=QUESTION, **OPTIONS)
    return answer.choices[0].message.content


async def ask_checkpoint(job_id: str) -> Any:
    """How the job stood when its checkpoint had answered."""
    while (await jobs.retrieve(job_id)).status not in ENDED:
        async for checkpoint in jobs.checkpoints.list(job_id):
            with suppress(NotFoundError):  # a newer one has taken its place meanwhile
                answer = await ask(checkpoint.fine_tuned_model_checkpoint)
                return [(await jobs.retrieve(job_id)).status, answer, checkpoint.step_number]
        await asyncio.sleep(LOOK)
    return None


async def seconds_to_first_token(model: str) -> float | None:
    begin = time.monotonic()
    chunks = await client.chat.completions.create(
        model=model, messages=QUESTION, stream=True, **OPTIONS
    )
    async for chunk in chunks:
        if chunk.choices and chunk.choices[0].delta.content:
            return time.monotonic() - begin
    return None


def alias_of(job: Any) -> str:
    return f"ft:{job.model}::clinic:{job.id.removeprefix('ftjob-')}"


async def events_of(job_id: str) -> Any:
    """The steps and the messages, the oldest first; page by page."""
    events: Any = [event async for event in jobs.list_events(job_id, limit=20)][::-1]
    steps = [event.data["step"] for event in events if event.type == "metrics"]
    return [steps, [event.message for event in events if event.type == "message"]]


async def table_of(file_id: str) -> Any:
    content = await client.files.content(file_id)
    rows = list(csv.reader(content.text.splitlines()))
    return [rows[0], len(rows) - 1]


async def cancel(job_id: str) -> Any:
    running = await wait(job_id, "running")
    return [running.status, (await jobs.cancel(job_id)).status, (await wait(job_id)).status]


async def pause_and_resume(job_id: str) -> Any:
    """What it said of itself, and the steps that were done in the end."""
    while not (await events_of(job_id))[0]:
        await asyncio.sleep(LOOK)
    seen = [await jobs.pause(job_id), await jobs.resume(job_id), await wait(job_id)]
    return [[job.status for job in seen], (await events_of(job_id))[0]]


asyncio.run(main())
