"""Two trainings and a server on one machine: what each keeps of its speed, and whether any stalls.

    python -m benchmarks.busy

Each runs alone first, then all of them together. The server streams answers of the default base
to a few clients; the trainings take the steps that they took alone.
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from statistics import quantiles
from typing import Annotated

import httpx
import typer

from finetune.bases.base import find_base
from finetune.defaults import DEFAULT_BASE

from .bar import Bar, bars_table
from .markdown import describe_provenance, table
from .process import ProgramFailed, Running, running
from .provenance import RESULTS, ROOT, describe, shown_command
from .serving.ours import OurServer, our_server

TRAININGS = {"tcm": "tcm_consultation.txt", "bike": "bike_workshop.txt"}
WARM_UP = 2  # steps of a training that do not count
LOOK = 0.02  # [seconds] between two looks at how far a training is
LEAST_SUM = 0.8  # of the shares of the speed alone
MOST_SLOWER = 3.0  # times the 95th percentile between two tokens, alone
MOST_STALL = 5.0  # [seconds] without a token; of a step, beyond what its share explains
OUTPUT_TOKENS = 256  # of each answer

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Streaming:
    """What the clients saw; gaps are between two tokens of one answer."""

    tokens_per_second: float
    gap_p95: float  # [seconds]
    gap_max: float
    first_max: float  # from asking to the first token


@dataclass(frozen=True, slots=True)
class Stepping:
    """When a training ended each of its steps [seconds]."""

    ends: Sequence[float]

    @property
    def steps(self) -> list[float]:
        return [b - a for a, b in pairwise(self.ends[WARM_UP:])]

    def stall(self, alone: "Stepping") -> float:
        """The most by which a step took longer than its share of the speed explains."""
        share = self.share_of(alone)
        return max(own - usual / share for own, usual in zip(self.steps, alone.steps, strict=False))

    def share_of(self, alone: "Stepping") -> float:
        """The share of the speed alone, on the steps that both have taken."""
        common = min(len(self.ends), len(alone.ends)) - 1
        return (alone.ends[common] - alone.ends[WARM_UP]) / (self.ends[common] - self.ends[WARM_UP])


@dataclass(frozen=True, slots=True)
class Found:
    streaming_alone: Streaming
    streaming: Streaming
    trainings_alone: dict[str, Stepping]
    trainings: dict[str, Stepping]

    @property
    def shares(self) -> dict[str, float]:
        own = {
            name: stepping.share_of(self.trainings_alone[name])
            for name, stepping in self.trainings.items()
        }
        rate = self.streaming.tokens_per_second / self.streaming_alone.tokens_per_second
        return {"server": rate, **own}

    @property
    def bars(self) -> list[Bar]:
        slower = self.streaming.gap_p95 / self.streaming_alone.gap_p95
        stalls = [each.stall(self.trainings_alone[name]) for name, each in self.trainings.items()]
        stall = max(self.streaming.gap_max, self.streaming.first_max, *stalls)
        return [
            Bar("sum of the shares", LEAST_SUM, sum(self.shares.values())),
            Bar("between tokens, p95, times alone", MOST_SLOWER, slower, is_most=True),
            Bar("longest stall", MOST_STALL, stall, is_most=True, unit=" s"),
        ]


@app.command()
def main(
    seconds: Annotated[float, typer.Option(min=5, help="Of each measurement.")] = 60,
    streams: Annotated[int, typer.Option(min=1, help="At once.")] = 4,
    precision: Annotated[str, typer.Option(help="Of the served base.")] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(help="The result, without ending. [default: benchmarks/results/DAY-busy]"),
    ] = None,
) -> None:
    """Measure and write FILE.json and FILE.md; exit 1 where a bar is missed."""
    path = out or RESULTS / f"{date.today():%Y-%m-%d}-busy"
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        find_base(DEFAULT_BASE, home)
        try:
            found = measure(home, seconds, streams, precision)
        except (ProgramFailed, httpx.HTTPError) as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from error
    write(found, path)
    typer.echo(f"{path.with_suffix('.md')}")
    if not all(bar.is_passed for bar in found.bars):
        raise typer.Exit(1)


def measure(home: Path, seconds: float, streams: int, precision: str) -> Found:
    alone: dict[str, Stepping] = {}
    for name in TRAININGS:
        with training(home, name) as run:
            alone[name] = follow([run], seconds)[0]
    options = ("--precision", precision)
    with our_server(home, log=home / "server.log", options=options) as server:
        if precision in ("auto", "int8"):
            server.wait_until_compiled()
        stream(server, min(seconds, 5), streams)
        streaming_alone = stream(server, seconds, streams)
        with ExitStack() as stack:
            runs = [stack.enter_context(training(home, name)) for name in TRAININGS]
            wait_for_steps(runs)
            with ThreadPoolExecutor(1) as pool:
                clients = pool.submit(stream, server, 3 * seconds, streams)
                steppings = follow(runs, 3 * seconds)
                streaming = clients.result()
    return Found(streaming_alone, streaming, alone, dict(zip(TRAININGS, steppings, strict=True)))


@dataclass(frozen=True, slots=True)
class Training:
    running: Running
    home: Path

    def num_steps(self) -> int:
        """That it has taken."""
        files = list((self.home / "runs").glob("*/metrics.jsonl"))
        return len(files[0].read_bytes().splitlines()) if files else 0


@contextmanager
def training(home: Path, name: str) -> Generator[Training]:
    """`lora-chat finetune` in a home of its own, which goes with it."""
    own = Path(tempfile.mkdtemp(dir=home))
    (own / "bases").symlink_to(home / "bases")
    options = ["epochs=100", "batch_size=1", "evals_per_epoch=1", "max_training_tokens=1000000"]
    command = [
        *(sys.executable, "-m", "service.cli", "finetune"),
        str(ROOT / "data" / "samples" / TRAININGS[name]),
        *("--name", name, "--home", str(own)),
        *(part for option in options for part in ("--set", option)),
    ]
    try:
        with running(command, home / f"{own.name}.log", {"HF_HUB_OFFLINE": "1"}) as process:
            yield Training(process, own)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def wait_for_steps(runs: Sequence[Training]) -> None:
    """Wait until each of the runs trains. Raises ProgramFailed."""
    for run in runs:
        run.running.wait_for(lambda run=run: run.num_steps() or None)


def follow(runs: Sequence[Training], seconds: float) -> list[Stepping]:
    """When each of them ends its steps, for so long after all have begun."""
    wait_for_steps(runs)
    ends: list[list[float]] = [[] for _ in runs]
    start = time.monotonic()
    while (now := time.monotonic() - start) < seconds:
        for run, own in zip(runs, ends, strict=True):
            own += [now] * (run.num_steps() - len(own))
        time.sleep(LOOK)
    if any(len(own) <= WARM_UP + 1 for own in ends):
        raise ProgramFailed(f"In {seconds:.0f} s there were too few steps: measure for longer")
    return [Stepping(own) for own in ends]


def stream(server: OurServer, seconds: float, streams: int) -> Streaming:
    """Ask for one answer after the other on each stream."""
    stamps: list[list[float]] = []  # of each answer: when it was asked for, when tokens came
    end = time.monotonic() + seconds

    def ask_on(number: int) -> None:
        question = 0
        while time.monotonic() < end:
            question += 1
            own = [time.monotonic()]
            stamps.append(own)
            for _ in tokens(server, f"Stream {number}, question {question}: tell a story."):
                own.append(time.monotonic())
                if own[-1] > end:
                    break

    start = time.monotonic()
    with ThreadPoolExecutor(streams) as pool:
        list(pool.map(ask_on, range(streams)))  # raises what was raised there
    gaps = [b - a for own in stamps for a, b in pairwise(own[1:])]
    firsts = [own[1] - own[0] for own in stamps if len(own) > 1]
    count = sum(len(own) - 1 for own in stamps)
    if len(gaps) < 20:
        raise ProgramFailed(f"The server sent only {count} tokens in {seconds:.0f} s")
    return Streaming(
        count / (time.monotonic() - start), quantiles(gaps, n=20)[-1], max(gaps), max(firsts)
    )


def tokens(server: OurServer, question: str) -> Iterator[None]:
    body = {
        "messages": [{"role": "user", "content": question}],
        "model": DEFAULT_BASE,
        "max_tokens": OUTPUT_TOKENS,
        "ignore_eos": True,
        "stream": True,
    }
    url = f"{server.url}/v1/chat/completions"
    with httpx.stream("POST", url, json=body, timeout=300) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if line.startswith("data: {") and '"role"' not in line:
                yield None


def write(found: Found, path: Path) -> None:
    provenance = describe(date.today(), shown_command("busy", sys.argv[1:]))
    whole = {
        "provenance": asdict(provenance),
        "found": asdict(found),
        "shares": found.shares,
        "bars": [asdict(bar) for bar in found.bars],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(whole, ensure_ascii=False, indent=1, default=str)
    path.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    rows = [[name, f"{share:.2f}"] for name, share in found.shares.items()]
    sides = found.streaming_alone, found.streaming
    gaps = [
        [name, *(f"{1000 * value(side):.0f}" for side in sides)]
        for name, value in (
            ("between two tokens, p95 [ms]", lambda side: side.gap_p95),
            ("between two tokens, longest [ms]", lambda side: side.gap_max),
            ("to the first token, longest [ms]", lambda side: side.first_max),
        )
    ]
    page = [
        "# Two trainings and a server on one machine",
        *describe_provenance(provenance),
        table(["", "share of its speed alone"], rows),
        table(["the server", "alone", "beside two trainings"], gaps),
        bars_table(found.bars),
    ]
    path.with_suffix(".md").write_text("\n\n".join(page) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app()
