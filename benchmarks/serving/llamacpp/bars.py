"""What the llama.cpp engine is to reach beside llama-server, and whether it does."""

from collections.abc import Iterator

from benchmarks.bar import Bar
from benchmarks.journal import Key, Mix
from benchmarks.serving.rival_plans import LLAMA, QUANTIZATIONS
from benchmarks.summary import TOKENS_PER_SECOND, Cell, Summary

from .plans import OURS_LLAMA, PART

FIRST_TOKEN = "first_token_p95_ms"
ALONE: dict[Mix, tuple[float, str]] = {
    "one": (0.95, "one adapter"),
    "two": (1.0, "two adapters in turn"),
}
LONGEST_SWITCH = 20.0  # [milliseconds]
SHARE_OF_FIRST_TOKEN = 0.2


def llamacpp_bars(summary: Summary) -> Iterator[Bar]:
    """llama-server counts with that number of threads with which it does better."""
    for kind in QUANTIZATIONS:
        for mix, (limit, words) in ALONE.items():
            ours = _cell(summary, kind, mix, 1, TOKENS_PER_SECOND)
            theirs = summary.best(_keys(summary, LLAMA, kind, mix, 1), TOKENS_PER_SECOND)
            name = f"llama.cpp {kind}, one client, {words}: tokens/s, times llama-server's"
            yield Bar(name, limit, ours.median / theirs if ours and theirs else None)
        yield Bar(
            f"llama.cpp {kind}, one client, two adapters in turn: p95 to the first token, beyond "
            "that with one adapter",
            LONGEST_SWITCH,
            _switch(summary, kind),
            is_most=True,
            unit=" ms",
        )
        ours = _cell(summary, kind, "eight", 8, FIRST_TOKEN)
        keys = _keys(summary, LLAMA, kind, "eight", 8)
        cells = [cell for key in keys if (cell := summary.cell(key, FIRST_TOKEN)) is not None]
        yield Bar(
            f"llama.cpp {kind}, eight clients with eight adapters: p95 to the first token in the "
            "worst round, times llama-server's in its best",
            SHARE_OF_FIRST_TOKEN,
            ours.high / min(cell.low for cell in cells) if ours and cells else None,
            is_most=True,
        )


def _switch(summary: Summary, kind: str) -> float | None:
    one, two = (_cell(summary, kind, mix, 1, FIRST_TOKEN) for mix in ("one", "two"))
    return two.median - one.median if one and two else None


def _cell(summary: Summary, kind: str, mix: Mix, streams: int, figure: str) -> Cell | None:
    """Our own."""
    keys = _keys(summary, OURS_LLAMA, kind, mix, streams)
    return next((cell for key in keys if (cell := summary.cell(key, figure)) is not None), None)


def _keys(summary: Summary, server: str, kind: str, mix: Mix, streams: int) -> list[Key]:
    return [key for key in summary.find(f"{server} {kind}", mix, streams) if key.part == PART]
