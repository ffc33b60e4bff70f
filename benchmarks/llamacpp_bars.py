"""What the llama.cpp engine is to reach beside llama-server, and whether it does."""

from collections.abc import Iterator

from .bar import Bar
from .journal import Mix
from .llamacpp_plans import OURS_LLAMA, PART
from .rival_plans import LLAMA, QUANTIZATIONS
from .summary import TOKENS_PER_SECOND, Cell, Summary

FIRST_TOKEN = "first_token_p95_ms"
ALONE: dict[Mix, tuple[float, str]] = {
    "one": (0.95, "one adapter"),
    "two": (1.0, "two adapters in turn"),
}
LONGEST_SWITCH = 20.0  # [milliseconds]
SHARE_OF_FIRST_TOKEN = 0.2


def llamacpp_bars(summary: Summary) -> Iterator[Bar]:
    for kind in QUANTIZATIONS:
        for mix, (limit, words) in ALONE.items():
            ours, theirs = (
                _cell(summary, f"{server} {kind}", mix, 1, TOKENS_PER_SECOND)
                for server in (OURS_LLAMA, LLAMA)
            )
            name = f"llama.cpp {kind}, one client, {words}: tokens/s, times llama-server's"
            yield Bar(name, limit, ours.median / theirs.median if ours and theirs else None)
        yield Bar(
            f"llama.cpp {kind}, one client, two adapters in turn: p95 to the first token, beyond "
            "that with one adapter",
            LONGEST_SWITCH,
            _switch(summary, kind),
            is_most=True,
            unit=" ms",
        )
        ours, theirs = (
            _cell(summary, f"{server} {kind}", "eight", 8, FIRST_TOKEN)
            for server in (OURS_LLAMA, LLAMA)
        )
        yield Bar(
            f"llama.cpp {kind}, eight clients with eight adapters: p95 to the first token in the "
            "worst round, times llama-server's in its best",
            SHARE_OF_FIRST_TOKEN,
            ours.high / theirs.low if ours and theirs else None,
            is_most=True,
        )


def _switch(summary: Summary, kind: str) -> float | None:
    one, two = (
        _cell(summary, f"{OURS_LLAMA} {kind}", mix, 1, FIRST_TOKEN) for mix in ("one", "two")
    )
    return two.median - one.median if one and two else None


def _cell(summary: Summary, server: str, mix: Mix, streams: int, figure: str) -> Cell | None:
    keys = [key for key in summary.find(server, mix, streams) if key.part == PART]
    cells = (summary.cell(key, figure) for key in keys)
    return next((cell for cell in cells if cell is not None), None)
