"""What the service costs before a vLLM server that answers at once: a request, and a token.

    python -m benchmarks.vllm_front

Beside it, on the same core, a bare proxy that hands on bytes.
"""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated

import httpx
import psutil
import typer

from benchmarks.adapters import make_adapters
from benchmarks.bar import bars_table
from benchmarks.overhead.raw_streams import read_streams
from benchmarks.overhead.scripted_server import listening_url
from benchmarks.process import ProgramFailed, running
from benchmarks.provenance import RESULTS, shown_command
from benchmarks.serving.ours import our_server
from benchmarks.tuning.tiny import byte_tokenizer, make_tiny_base

from .asking import time_answers
from .findings import (
    DIRECT,
    LOADS,
    OURS_ADAPTER,
    OURS_BASE,
    PASS_THROUGH,
    Findings,
    Flow,
    Load,
    Measured,
    write,
)
from .stand_in import PACE

RANK = 8
SERVERS = "benchmarks.vllm_front"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Plan:
    requests: int
    streams: int
    output_tokens: int
    repeats: int


@dataclass(frozen=True, slots=True)
class Way:
    """Who is asked for what, and the letter that comes."""

    name: str
    url: str
    model: str
    letter: str
    process: psutil.Process | None  # in front of the stand-in


@app.command()
def main(
    requests: Annotated[int, typer.Option(min=1, help="One at a time, in a round.")] = 200,
    streams: Annotated[int, typer.Option(min=1, help="At once.")] = 16,
    output_tokens: Annotated[int, typer.Option(min=8, help="Of each stream; 8, 16, …")] = 512,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds, after one to warm up.")] = 7,
    beside: Annotated[
        str | None, typer.Option(help="What else runs on the machine, for the page.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The result, without ending. [default: benchmarks/results/DAY-vllm-front]"
        ),
    ] = None,
) -> None:
    """Measure, print and write the figures (FILE.json, FILE.md); exit 1 where a bar is missed."""
    path = out or RESULTS / f"{date.today():%Y-%m-%d}-vllm-front"
    if output_tokens % max(load.piece for load in LOADS):
        raise typer.BadParameter("has to be a multiple of 8", param_hint="--output-tokens")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the servers end, too
    try:
        measured = measure_rounds(Plan(requests, streams, output_tokens, repeats))
    except (ProgramFailed, OSError, TimeoutError, httpx.HTTPError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    findings = Findings(requests, streams, output_tokens, beside, measured)
    page = write(path, findings, shown_command("vllm_front", sys.argv[1:]))
    typer.echo(f"{bars_table(findings.bars)}\n{page}")
    raise typer.Exit(0 if all(bar.is_passed for bar in findings.bars) else 1)


def measure_rounds(plan: Plan) -> list[Measured]:
    """All ways in turn, round after round. Raises ProgramFailed."""
    with tempfile.TemporaryDirectory() as home, _opened(Path(home)) as (stand_in, ways):
        rounds = [
            measure(stand_in, way, number, plan)
            for number in range(1 + plan.repeats)
            for way in ways
        ]
    return [each for each in rounds if each.round]  # the first one warms up


def measure(stand_in: str, way: Way, number: int, plan: Plan) -> Measured:
    _set_pace(stand_in, Load("", 0))
    ask = partial(time_answers, way.url, way.model, way.letter, plan.requests)
    whole, streamed = median(ask(streams=False)), median(ask(streams=True))
    flows: dict[str, Flow] = {}
    for load in LOADS:
        _set_pace(stand_in, load)
        flows[load.name] = _flow(way, plan, load.piece)
    return Measured(way.name, number, whole, streamed, flows)


def _flow(way: Way, plan: Plan, piece: int) -> Flow:
    before = _cpu_seconds(way.process)
    streamed = asyncio.run(
        read_streams(way.url, way.model, plan.streams, plan.output_tokens, piece)
    )
    after = _cpu_seconds(way.process)
    used = None if before is None or after is None else after - before
    return Flow(streamed.num_tokens, streamed.seconds, used)


def _cpu_seconds(process: psutil.Process | None) -> float | None:
    if process is None:
        return None
    times = process.cpu_times()
    return times.user + times.system


def _set_pace(stand_in: str, load: Load) -> None:
    pace = {"pause": load.pause, "piece": load.piece}
    httpx.post(f"{stand_in}{PACE}", json=pace, trust_env=False).raise_for_status()


@contextmanager
def _opened(home: Path) -> Generator[tuple[str, Sequence[Way]]]:
    """The stand-in and what is before it: that on one core, all else on the others."""
    base = make_tiny_base(home / "base")
    make_adapters(home, base, count=1, rank=RANK)
    cores = sorted(os.sched_getaffinity(0))
    words = [str(byte_tokenizer().encode(letter)[0]) for letter in "ab"]
    with ExitStack() as stack:
        stack.callback(os.sched_setaffinity, 0, cores)
        os.sched_setaffinity(0, cores[1:] or cores)
        stand_in, _ = stack.enter_context(_server(home, "stand_in", base.name, *words))
        os.sched_setaffinity(0, cores[:1])  # which those that are started now keep
        proxy, proxy_process = stack.enter_context(_server(home, "pass_through", stand_in))
        options = ("--engine", "vllm", "--vllm", stand_in)
        ours = stack.enter_context(
            our_server(home, log=home / "ours.log", base=str(base), options=options)
        )
        os.sched_setaffinity(0, cores[1:] or cores)
        process = psutil.Process(ours.process_id)
        yield (
            stand_in,
            (
                Way(DIRECT, stand_in, base.name, "a", None),
                Way(PASS_THROUGH, proxy, base.name, "a", proxy_process),
                Way(OURS_BASE, ours.url, base.name, "a", process),
                Way(OURS_ADAPTER, ours.url, "a1", "b", process),
            ),
        )


@contextmanager
def _server(home: Path, module: str, *arguments: str) -> Generator[tuple[str, psutil.Process]]:
    log = home / f"{module}.log"
    command = [sys.executable, "-m", f"{SERVERS}.{module}", *arguments]
    with running(command, log) as server:
        url = server.wait_for(partial(listening_url, log))
        yield url, psutil.Process(server.process.pid)


if __name__ == "__main__":
    app()
