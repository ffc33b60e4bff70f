"""Twenty fine-tuning jobs of two keys, and a server that answers all the while.

    python -m benchmarks.jobs
    python -m benchmarks.jobs --tiny --jobs 2 --seconds 5

The jobs are made over the API of `lora-chat serve`. Each answer meanwhile is compared with the one
that the server gave when nobody else was there.
"""

import asyncio
import signal
import sys
import time
from collections.abc import Coroutine, Generator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from benchmarks.contamination import HOME
from benchmarks.process import ProgramFailed
from benchmarks.provenance import RESULTS, ROOT, shown_command
from benchmarks.serving.ours import our_server
from benchmarks.soaking.asking import TIMEOUT
from benchmarks.soaking.golden import Golden, everyday_prompts
from benchmarks.soaking.home import Home, soak_home
from finetune.errors import FinetuneError
from service.accounts.keys import Keys, KeyWish
from service.bench.measurement import spread
from service.jobs.desk import Desk
from service.state.database import open_state

from .findings import Findings, Side, write
from .load import Load
from .queue import Queue

SAMPLE = ROOT / "data" / "samples" / "tcm_consultation.txt"
NUM_ROWS = 10
TRAINERS = ("clinic", "school")  # whose keys make jobs
READER = "reader"  # whose key asks
WARM_UP = 5.0  # [seconds]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Plan:
    jobs: int
    seconds: float
    streams: int
    pause: float
    questions: int


@app.command()
def main(
    jobs: Annotated[int, typer.Option(min=1, help="All in all.")] = 20,
    seconds: Annotated[float, typer.Option(min=1, help="Without a job.")] = 60,
    streams: Annotated[int, typer.Option(min=1, help="At once.")] = 4,
    pause: Annotated[
        float, typer.Option(min=0, help="At most, from an answer to the next question; seconds.")
    ] = 4,
    questions: Annotated[int, typer.Option(min=1, help="That are asked.")] = 12,
    tiny: Annotated[
        bool, typer.Option("--tiny", help="With a tiny base of random weights, not compiled.")
    ] = False,
    home: Annotated[Path, typer.Option(help="For bases and logs.")] = HOME,
    out: Annotated[
        Path | None,
        typer.Option(help="The result, without ending. [default: benchmarks/results/DAY-jobs]"),
    ] = None,
) -> None:
    """Measure, print and write the figures (FILE.json, FILE.md); exit 1 where a bar is missed."""
    path = out or RESULTS / f"{date.today():%Y-%m-%d}-jobs"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the server ends, too
    try:
        found = sit(home.absolute(), Plan(jobs, seconds, streams, pause, questions), is_tiny=tiny)
    except* (ProgramFailed, FinetuneError, OSError, httpx.HTTPError) as errors:
        for error in errors.exceptions:
            typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from errors
    typer.echo(write(path, found, shown_command("jobs", sys.argv[1:])).read_text("utf-8"))
    raise typer.Exit(0 if found.is_passed else 1)


def sit(home: Path, plan: Plan, *, is_tiny: bool) -> Findings:
    """Raises ProgramFailed where the server does not start or has no certain answers."""
    options = ("--no-compile",) if is_tiny else ()
    with soak_home(home, is_tiny=is_tiny) as own, _jobs_ended(own.folder):
        secrets = _keys(own.folder)
        log = home / "logs" / "jobs.log"
        with our_server(own.folder, log=log, base=own.base, options=options) as server:
            if not is_tiny:
                server.wait_until_compiled()
            return asyncio.run(_measure(server.url, own, secrets, plan))


async def _measure(url: str, home: Home, secrets: Sequence[str], plan: Plan) -> Findings:
    # A connection for each request, as those of many people are.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with AsyncExitStack() as stack:
        reader, *trainers = [
            await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=url,
                    timeout=TIMEOUT,
                    limits=limits,
                    headers={"Authorization": f"Bearer {secret}"},
                )
            )
            for secret in secrets
        ]
        golden = Golden(reader, everyday_prompts(0), home.margin)
        questions = await golden.questions({home.base_id: (home.base_id,)}, plan.questions)
        load = partial(Load, reader, questions, plan.streams, plan.pause)
        await _beside(load(), asyncio.sleep(WARM_UP))
        alone = await _beside(load(), asyncio.sleep(plan.seconds))
        queue = Queue(trainers, home.base_id)
        beside = await _beside(load(), _work(queue, plan.jobs))
    return Findings(plan.streams, plan.pause, len(questions), alone, beside, [*queue.jobs.values()])


async def _work(queue: Queue, count: int) -> None:
    await queue.fill(_rows(), count)
    await queue.follow()


async def _beside(load: Load, work: Coroutine[Any, Any, None]) -> Side:
    """What a load sees while something else is done."""
    end, begun = asyncio.Event(), time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(load.run(end))
        await work
        end.set()
    gaps = spread(load.gaps)
    if gaps is None:
        raise ProgramFailed(f"No answer had two pieces: {load.tally.faults}")
    return Side(time.monotonic() - begun, gaps, load.tally)


def _rows() -> bytes:
    conversations = SAMPLE.read_text(encoding="utf-8").split("\n\n")
    return "\n\n".join(conversations[:NUM_ROWS]).encode()


def _keys(home: Path) -> list[str]:
    """The secrets of new keys: of who asks, then of those who train."""
    with closing(open_state(home)) as state:
        wishes = [KeyWish(READER), *(KeyWish(name, ("chat", "train")) for name in TRAINERS)]
        return [Keys(state).create(wish)[1] for wish in wishes]


@contextmanager
def _jobs_ended(home: Path) -> Generator[None]:
    """Jobs outlive their server: whichever works still when the block ends is ended."""
    try:
        yield
    finally:
        desk = Desk(home)
        for lock in desk.folder.glob("ftjob-*.lock"):
            desk.kill(lock.stem)


if __name__ == "__main__":
    app()
