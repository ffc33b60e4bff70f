"""What the service itself costs: tokens a second that it streams when the engine computes nothing.

    python -m benchmarks.overhead

The server has one core, the client another.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated

import psutil
import typer

from benchmarks.bar import Bar, bars_table
from benchmarks.markdown import describe_provenance, spread, table
from benchmarks.process import ProgramFailed, running
from benchmarks.provenance import RESULTS, describe, shown_command
from benchmarks.summary import Cell

from .raw_streams import read_streams
from .scripted_server import BASE, listening_url

NEEDED = 3000  # tokens a second

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Round:
    num_tokens: int
    num_bytes: int
    seconds: float
    server_seconds: float  # of its core
    client_seconds: float  # of its own

    @property
    def tokens_per_second(self) -> float:
        return self.num_tokens / self.seconds

    @property
    def tokens_per_core_second(self) -> float:
        """What other programs take from the core does not count here."""
        return self.num_tokens / self.server_seconds

    @property
    def client_share(self) -> float:
        """The client's share of a core: near 1, the client would be what is measured."""
        return self.client_seconds / self.seconds


@app.command()
def main(
    streams: Annotated[int, typer.Option(min=1, help="At once.")] = 64,
    output_tokens: Annotated[int, typer.Option(min=1, help="Of each answer.")] = 512,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds, after one to warm up.")] = 7,
    out: Annotated[
        Path | None,
        typer.Option(help="The result, without ending. [default: benchmarks/results/DAY-overhead]"),
    ] = None,
) -> None:
    """Measure and write FILE.json and FILE.md; exit 1 where too few tokens come."""
    path = out or RESULTS / f"{date.today():%Y-%m-%d}-overhead"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the server ends, too
    try:
        rounds = measure_rounds(streams, output_tokens, repeats)
    except (ProgramFailed, OSError, TimeoutError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    bar = bar_of(rounds)
    typer.echo(f"{bar.value:,.0f} tokens/s; {_write(path, streams, output_tokens, rounds, bar)}")
    raise typer.Exit(0 if bar.is_passed else 1)


def measure_rounds(streams: int, num_tokens: int, repeats: int) -> list[Round]:
    """Raises ProgramFailed."""
    with _server(num_tokens) as (url, process):
        rounds = [
            _measure(url, process, streams, num_tokens) for _ in range(1 + repeats)
        ]  # the first one warms up
    return rounds[1:]


def bar_of(rounds: Sequence[Round]) -> Bar:
    rate = median(one.tokens_per_second for one in rounds)
    return Bar("tokens a second on one core", NEEDED, rate, unit="")


@contextmanager
def _server(num_tokens: int) -> Generator[tuple[str, psutil.Process]]:
    """A server on one core; this process takes the others meanwhile."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        home, log = Path(folder), Path(folder) / "log"
        arguments = [str(cores[0]), str(num_tokens), str(home)]
        command = [sys.executable, "-m", "benchmarks.overhead.scripted_server", *arguments]
        with running(command, log) as server:
            url = server.wait_for(partial(listening_url, log))
            os.sched_setaffinity(0, cores[1:] or cores)
            try:
                yield url, psutil.Process(server.process.pid)
            finally:
                os.sched_setaffinity(0, cores)


def _measure(url: str, process: psutil.Process, streams: int, num_tokens: int) -> Round:
    server, client = _cpu_seconds(process), _cpu_seconds(psutil.Process())
    streamed = asyncio.run(read_streams(url, BASE, streams, num_tokens))
    return Round(
        **asdict(streamed),
        server_seconds=_cpu_seconds(process) - server,
        client_seconds=_cpu_seconds(psutil.Process()) - client,
    )


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _write(path: Path, streams: int, num_tokens: int, rounds: Sequence[Round], bar: Bar) -> Path:
    provenance = describe(date.today(), shown_command("overhead", sys.argv[1:]))
    parts = [
        f"# What the service costs, {provenance.day}",
        *describe_provenance(provenance),
        f"{streams} streams of chat completions at once, {num_tokens} tokens each, from an engine "
        "that computes nothing, through HTTP. The server has one core; the client another, and "
        "only collects bytes. The median of the rounds, with the least and the most.",
        bars_table([bar]),
        table(("what", "measured"), _rows(rounds)),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    page = path.with_name(f"{path.name}.md")
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    record = {
        **asdict(provenance),
        "streams": streams,
        "output_tokens": num_tokens,
        "tokens_per_second": bar.value,
        "rounds": [asdict(one) for one in rounds],
    }
    path.with_name(f"{path.name}.json").write_text(
        json.dumps(record, ensure_ascii=False, indent=1, default=str) + "\n", encoding="utf-8"
    )
    return page


def _rows(rounds: Sequence[Round]) -> list[list[str]]:
    def cell(values: Sequence[float], digits: int = 0) -> str:
        return spread(Cell(dict(enumerate(values))), digits)

    return [
        ["tokens a second", cell([one.tokens_per_second for one in rounds])],
        [
            "tokens in a second of the server's CPU time",
            cell([one.tokens_per_core_second for one in rounds]),
        ],
        ["share of a core that the client took", cell([one.client_share for one in rounds], 2)],
        ["bytes a token", cell([one.num_bytes / one.num_tokens for one in rounds])],
    ]


if __name__ == "__main__":
    app()
