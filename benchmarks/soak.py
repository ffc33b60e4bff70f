"""The server at full load for a long time, while adapters come and go: is every answer right?

    python -m benchmarks.soak
    python -m benchmarks.soak --tiny --minutes 2

Every answer is compared with the one that the server gave when it was alone.
"""

import asyncio
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated

import httpx
import psutil
import typer

from finetune.errors import FinetuneError

from .contamination import HOME
from .process import ProgramFailed
from .provenance import RESULTS, shown_command
from .serving.ours import OurServer, our_server
from .soaking.asking import TIMEOUT
from .soaking.churn import DROPPED, LOADED, Churn
from .soaking.findings import Findings, write
from .soaking.golden import Golden, everyday_prompts
from .soaking.home import Home, soak_home
from .soaking.question import Question
from .soaking.traffic import Traffic
from .soaking.watch import Watch

STREAMS = 24  # more than the server computes together, so that some wait
# Blocks are first used one after the other: with few of them memory is soon as large as it gets.
SERVER_OPTIONS = ("--kv-memory", "0.25")
SETTLING = 30  # [seconds] that the last requests' memory may take to come back


@dataclass(frozen=True, slots=True)
class Plan:
    seconds: float
    streams: int
    questions: int  # for each model, at least
    seed: int


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    minutes: Annotated[float, typer.Option(min=0.05, help="At full load.")] = 15,
    streams: Annotated[int, typer.Option(min=1, help="At once.")] = STREAMS,
    tiny: Annotated[
        bool, typer.Option("--tiny", help="With a tiny base of random weights, not compiled.")
    ] = False,
    questions: Annotated[int, typer.Option(min=1, help="For each model, at least.")] = 3,
    seed: Annotated[int, typer.Option(help="Of prompts and of who is asked what.")] = 0,
    home: Annotated[Path, typer.Option(help="For bases and logs.")] = HOME,
    out: Annotated[
        Path | None,
        typer.Option(help="The result, without ending. [default: benchmarks/results/DAY-soak]"),
    ] = None,
) -> None:
    """Soak, print and write the figures (FILE.json, FILE.md); exit 1 where a bar is missed."""
    path = out or RESULTS / f"{date.today():%Y-%m-%d}-soak"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the server ends, too
    try:
        findings = soak(home.absolute(), Plan(minutes * 60, streams, questions, seed), tiny)
    except (ProgramFailed, FinetuneError, OSError, httpx.HTTPError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(write(path, findings, shown_command("soak", sys.argv[1:])).read_text("utf-8"))
    raise typer.Exit(0 if findings.is_passed else 1)


def soak(home: Path, plan: Plan, is_tiny: bool) -> Findings:
    """Raises ProgramFailed where the server does not start or has no certain answers."""
    log = home / "logs" / "soak.log"
    with soak_home(home, is_tiny=is_tiny) as own:
        options = (*SERVER_OPTIONS, *(("--no-compile",) if is_tiny else ()))
        with our_server(own.folder, log=log, base=own.base, options=options) as server:
            if not is_tiny:
                server.wait_until_compiled()
            findings = asyncio.run(_soak(server, own, plan))
    said = log.read_text(encoding="utf-8", errors="replace")
    return replace(findings, num_tracebacks=said.count("Traceback"))


async def _soak(server: OurServer, home: Home, plan: Plan) -> Findings:
    # A connection for each request, as those of many people are, and as hanging up needs.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=server.url, timeout=TIMEOUT, limits=limits) as client:
        questions = await _prepare(client, home, plan)
        typer.echo(f"Asking {len(questions)} questions over and over", err=True)
        traffic = Traffic(client, questions, plan.streams, plan.seed)
        churn = Churn(client, home.adapters, home.spares[1:])
        watch = Watch(psutil.Process(server.process_id))
        await _run_all(plan.seconds, traffic, churn, watch)
        num_held = await _num_held(server)
        await traffic.ask_each()
    return Findings(
        seconds=plan.seconds,
        streams=plan.streams,
        num_questions=len(questions),
        tally=traffic.tally,
        num_changes=churn.num_changes,
        faulty_changes=churn.faults,
        samples=watch.samples,
        num_held=num_held,
        num_tracebacks=0,
    )


async def _prepare(client: httpx.AsyncClient, home: Home, plan: Plan) -> list[Question]:
    """Learn the right answers while all adapters are there, then let some begin to come and go."""
    typer.echo("Asking the server alone, for the right answers", err=True)
    sources = {spare: f"spare-{spare.name}" for spare in home.spares}
    for spare, name in sources.items():
        home.place(spare, name)
    loaded, *dropped = sources.values()
    sought: dict[str, Sequence[str]] = {model: (model,) for model in home.models}
    questions = await Golden(client, everyday_prompts(plan.seed), home.margin).questions(
        sought | {LOADED: (loaded,), DROPPED: dropped}, plan.questions
    )
    for name in sources.values():
        shutil.rmtree(home.adapters / name)
    home.place(home.spares[0], LOADED)
    home.place(home.spares[1], DROPPED)
    return [replace(q, comes_and_goes=q.model in (LOADED, DROPPED)) for q in questions]


async def _run_all(seconds: float, traffic: Traffic, churn: Churn, watch: Watch) -> None:
    end = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for one in (traffic, churn, watch):
            tasks.create_task(one.run(end))
        try:
            async with asyncio.timeout(seconds):
                await end.wait()
        except TimeoutError:
            end.set()


async def _num_held(server: OurServer) -> int:
    """Requests and blocks of nobody, after the last answer."""
    held = 0
    for _ in range(SETTLING):
        health = await asyncio.to_thread(server.health)
        held = health["running"] + health["waiting"] + health["blocks"] - health["free_blocks"]
        if held == 0:
            break
        await asyncio.sleep(1)
    return held


if __name__ == "__main__":
    app()
