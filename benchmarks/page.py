"""The page in a real browser: how soon it is painted, and whether frames drop while answers stream.

    python -m benchmarks.page

Each load is a browser's first one, without a cache. The server recites a Markdown page of the
documentation, with its lists, tables and code, as fast as a quick GPU would write it.
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from playwright.sync_api import Browser, Page, sync_playwright

from .bar import Bar, bars_table
from .markdown import describe_provenance, number, table
from .overhead.scripted_server import listening_url
from .process import running
from .provenance import RESULTS, ROOT, describe, shown_command

RECITED = ROOT / "docs" / "page.md"
PROGRAMS = ("chromium", "chromium-browser")
RATE = 200  # tokens a second, at least
HURRY = 0.7  # of the time between two tokens that the engine sleeps; the rest is the server's
SETTLING = 300  # [milliseconds] after the tracing has begun
MOST_PAINT = 200.0  # [milliseconds]
MOST_REQUESTS = 10
MOST_FRAME = 50.0  # [milliseconds]
TRACED = ("devtools.timeline", "disabled-by-default-devtools.timeline")
# Notes when the field to write in is there, and asks for every frame from then on.
WATCH = """() => {
    window.seen = {};
    const look = () => {
        if (!document.querySelector("textarea")) return requestAnimationFrame(look);
        seen.usable = performance.now();
        const again = () => requestAnimationFrame(again);
        again();
    };
    look();
}"""
USABLE = """() => new Promise((done) => {
    const look = () => (seen.usable ? done(seen.usable) : setTimeout(look, 20));
    look();
})"""
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
PARTS = "performance.getEntriesByType('resource').map(each => each.toJSON())"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Loading:
    """One first load; times are in milliseconds from its beginning."""

    painted: float
    usable: float  # when the field to write in is there
    requests_of_paint: int  # that it waits for, with the page's own
    requests: int  # until it is usable


@dataclass(frozen=True, slots=True)
class Streaming:
    """One long answer; times are in milliseconds."""

    tokens_per_second: float
    num_frames: int
    longest_frame: float  # from one frame to the next
    num_late: int  # frames above MOST_FRAME
    longest_task: float  # of the page's main thread


@app.command()
def main(
    repeats: Annotated[int, typer.Option(min=1, help="Rounds, after one to warm up.")] = 5,
    seconds: Annotated[int, typer.Option(min=1, help="Of each streamed answer.")] = 20,
    out: Annotated[
        Path | None,
        typer.Option(help="The result, without ending. [default: benchmarks/results/DAY-page]"),
    ] = None,
) -> None:
    """Measure, print and write the tables: FILE.json and FILE.md; exit 1 where a bar is missed."""
    path = out or RESULTS / f"{date.today():%Y-%m-%d}-page"
    with _server(seconds * RATE) as url, _browser() as browser:
        loads = [load(browser, url) for _ in range(1 + repeats)][1:]
        streams = [stream(browser, url, seconds * RATE) for _ in range(1 + repeats)][1:]
        version = browser.version
    bars = bars_of(loads, streams)
    path.with_suffix(".md").write_text(_page(loads, streams, bars, version), encoding="utf-8")
    kept = {"loads": [*map(asdict, loads)], "streams": [*map(asdict, streams)]}
    path.with_suffix(".json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    typer.echo(f"{bars_table(bars)}\n{path}.md")
    raise typer.Exit(0 if all(bar.is_passed for bar in bars) else 1)


def load(browser: Browser, url: str) -> Loading:
    with _new_page(browser) as page:
        page.goto(url)
        usable: float = page.evaluate(USABLE)
        painted: float = page.evaluate(PAINTED)
        parts: list[dict[str, Any]] = page.evaluate(PARTS)
    waited_for = [each for each in parts if each["renderBlockingStatus"] == "blocking"]
    begun = [each for each in parts if each["startTime"] < usable]
    return Loading(painted, usable, 1 + len(waited_for), 1 + len(begun))


def stream(browser: Browser, url: str, num_tokens: int) -> Streaming:
    """Ask, and follow the answer to its end."""
    with _new_page(browser) as page:
        page.goto(url)
        page.evaluate(USABLE)
        page.get_by_label("Longest answer, in tokens", exact=True).fill(str(num_tokens))
        field = page.get_by_role("textbox", name="Write a message")
        field.fill("Recite.")
        stop = page.get_by_role("button", name="Stop", exact=True)
        browser.start_tracing(page=page, categories=list(TRACED))
        page.wait_for_timeout(SETTLING)
        began = time.perf_counter()
        field.press("Enter")
        stop.wait_for()
        stop.wait_for(state="detached", timeout=10 * num_tokens / RATE * 1000)
        took = time.perf_counter() - began
        events: list[dict[str, Any]] = json.loads(browser.stop_tracing())["traceEvents"]
    frames = frames_of(events)
    return Streaming(
        num_tokens / took,
        len(frames),
        max(frames),
        sum(each > MOST_FRAME for each in frames),
        longest_task(events),
    )


def frames_of(events: Sequence[dict[str, Any]]) -> list[float]:
    """How long it is from one animation frame to the next [milliseconds]."""
    begun = sorted(each["ts"] for each in events if each["name"] == "FireAnimationFrame")
    return [(later - earlier) / 1000 for earlier, later in pairwise(begun)]


def longest_task(events: Sequence[dict[str, Any]]) -> float:
    """The longest task of the thread that runs the page's scripts [milliseconds]."""
    thread = next(each["tid"] for each in events if each["name"] == "FireAnimationFrame")
    tasks = (each for each in events if each["name"] == "RunTask" and each["tid"] == thread)
    return max((each.get("dur", 0) / 1000 for each in tasks), default=0.0)


def bars_of(loads: Sequence[Loading], streams: Sequence[Streaming]) -> list[Bar]:
    return [
        Bar("first paint [ms]", MOST_PAINT, median(each.painted for each in loads), True, unit=""),
        Bar(
            "requests that it waits for",
            MOST_REQUESTS,
            median(each.requests_of_paint for each in loads),
            True,
            unit="",
        ),
        Bar(
            "tokens a second while frames are measured",
            RATE,
            median(each.tokens_per_second for each in streams),
            unit="",
        ),
        Bar(
            "longest frame while an answer streams [ms]",
            MOST_FRAME,
            median(each.longest_frame for each in streams),
            True,
            unit="",
        ),
    ]


@contextmanager
def _server(num_tokens: int) -> Generator[str]:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        arguments = ["-1", str(num_tokens), folder, str(HURRY / RATE), str(RECITED)]
        command = [sys.executable, "-m", "benchmarks.overhead.scripted_server", *arguments]
        with running(command, log) as server:
            yield server.wait_for(partial(listening_url, log))


@contextmanager
def _browser() -> Generator[Browser]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        typer.echo("Error: there is no Chromium here; try: apt-get install chromium", err=True)
        raise typer.Exit(1)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def _new_page(browser: Browser) -> Generator[Page]:
    """A page in a browser that has kept nothing."""
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.add_init_script(f"({WATCH})()")
    yield page
    context.close()


def _page(
    loads: Sequence[Loading], streams: Sequence[Streaming], bars: Sequence[Bar], browser: str
) -> str:
    day = date.today()
    provenance = describe(day, shown_command("page", sys.argv[1:]))
    return "\n\n".join(
        [
            f"# The page in a browser, {day}",
            *describe_provenance(provenance),
            f"Browser: Chromium {browser}, headless, on the machine of the server. Medians of "
            f"{len(loads)} rounds, the least and the most in parentheses. The first paint is the "
            "page's frame; it is usable once the field to write in is there.",
            bars_table(bars),
            "## Loading\n\n" + _figures(loads),
            "## Streaming\n\n" + _figures(streams) + "\n",
        ]
    )


def _figures(rounds: Sequence[Loading] | Sequence[Streaming]) -> str:
    kept = [*map(asdict, rounds)]

    def row(name: str) -> list[str]:
        values = [each[name] for each in kept]
        low, high = number(min(values)), number(max(values))
        return [name.replace("_", " "), f"{number(median(values))} ({low}–{high})"]

    return table(("what", "median"), map(row, kept[0]))


if __name__ == "__main__":
    app()
