"""What serving is to reach, and whether it does."""

from collections.abc import Iterator

from benchmarks.bar import Bar
from benchmarks.journal import Mix
from benchmarks.summary import TOKENS_PER_SECOND, Cell, Summary

from .bench import STREAMS
from .llamacpp.bars import llamacpp_bars
from .ours import COLD, EAGER, OURS, SHARE_OF_PEAK, WARM
from .rival_plans import LLAMA, PEFT, VLLM

FIRST_TOKEN = "first_token_p95_ms"
SECOND = 1000  # [milliseconds]
TIMES_LLAMA = 3.0
LEAST_OF_PEAK = 0.6  # of the processor's products: enough, where it is less than that
ALONE_OF_LLAMA = 0.95  # one stream, against Q8_0
TIMES_VLLM = 4.0
LONGEST_FIRST_TOKEN = 1.5  # [seconds] at 8 streams
SHARE_OF_LLAMA = 0.2  # of its time to the first token
SHARE_OF_ONE, SHARE_OF_NONE = 0.9, 0.65
LONGEST_FIRST_ANSWER = 2.0  # [seconds]
RETENTION = 0.9
FEW, MANY = "5 registered", "1000 registered"


def bars(summary: Summary) -> list[Bar]:
    return [
        *_against_others(summary),
        *_first_tokens(summary),
        *_with_adapters(summary),
        *_without_compiler(summary),
        *_first_answers(summary),
        *_registered(summary),
        *llamacpp_bars(summary),
    ]


def _against_others(summary: Summary) -> Iterator[Bar]:
    """Medians of tokens a second; of several settings of a server its best one counts."""
    several = "eight adapters: tokens/s, times"
    for streams in reversed(STREAMS):
        ours = _rate(summary, OURS, "eight", streams)
        theirs = _rate(summary, LLAMA, "eight", streams)
        name = f"{streams} streams, {several} llama-server's better quantization"
        share = _one_cell(summary, OURS, "eight", streams, SHARE_OF_PEAK)
        enough = LEAST_OF_PEAK * ours / share.median if ours and share else None
        limit = min(TIMES_LLAMA, _ratio(enough, theirs) or TIMES_LLAMA)
        yield Bar(name, limit, _ratio(ours, theirs))
    ours, theirs = (_rate(summary, name, "one", 1) for name in (OURS, f"{LLAMA} Q8_0"))
    yield Bar(
        "One stream: tokens/s, times llama-server Q8_0's", ALONE_OF_LLAMA, _ratio(ours, theirs)
    )
    for streams in reversed(STREAMS):
        ours = _rate(summary, OURS, "eight", streams)
        theirs = _rate(summary, VLLM, "eight", streams)
        yield Bar(f"{streams} streams, {several} vLLM's", TIMES_VLLM, _ratio(ours, theirs))
    ours, theirs = (_rate(summary, name, "one", 8) for name in (OURS, f"{LLAMA} Q8_0"))
    name = "8 streams, one adapter for all: tokens/s, times llama-server Q8_0's"
    yield Bar(name, 1.0, _ratio(ours, theirs))


def _first_tokens(summary: Summary) -> Iterator[Bar]:
    """The worst of all rounds counts."""
    cell = _one_cell(summary, OURS, "eight", 8)
    worst = cell.high / SECOND if cell else None
    name = "8 streams, eight adapters: p95 to the first token in the worst round"
    yield Bar(name, LONGEST_FIRST_TOKEN, worst, is_most=True, unit=" s")
    for streams in STREAMS:
        name = (
            f"{streams} streams, eight adapters: the same, times llama-server's best of the round"
        )
        yield Bar(name, SHARE_OF_LLAMA, _worst_share(summary, streams), is_most=True)


def _worst_share(summary: Summary, streams: int) -> float | None:
    """Ours divided by the shortest of theirs, round by round; the largest of that."""
    ours = _one_cell(summary, OURS, "eight", streams)
    theirs = [summary.cell(key, FIRST_TOKEN) for key in summary.find(LLAMA, "eight", streams)]
    if ours is None:
        return None
    shares = [
        value / min(others)
        for number, value in ours.rounds.items()
        if (others := [cell.rounds[number] for cell in theirs if cell and number in cell.rounds])
    ]
    return max(shares, default=None)


def _with_adapters(summary: Summary) -> Iterator[Bar]:
    limits: dict[Mix, tuple[float, str]] = {
        "none": (SHARE_OF_NONE, "without any adapter"),
        "one": (SHARE_OF_ONE, "with one for all"),
    }
    for mix, (limit, words) in limits.items():
        for streams in STREAMS:
            eight, other = (_rate(summary, OURS, each, streams) for each in ("eight", mix))
            name = f"{streams} streams, eight adapters: tokens/s, times those {words}"
            yield Bar(name, limit, _ratio(eight, other))


def _first_answers(summary: Summary) -> Iterator[Bar]:
    for setting in (COLD, WARM):
        keys = [key for key in summary.find(OURS, "first") if key.setting == setting]
        cell = summary.cell(keys[0], "whole_s") if keys else None
        name = f'First request after "Ready", {setting}: whole answer in the worst round'
        value = cell.high if cell else None
        yield Bar(name, LONGEST_FIRST_ANSWER, value, is_most=True, unit=" s")


def _registered(summary: Summary) -> Iterator[Bar]:
    """Those with 1000, at first and after more requests, against those with 5."""
    rates = {
        key.setting: summary.best([key], TOKENS_PER_SECOND)
        for key in summary.find(OURS, "power law")
    }
    settings = [setting for setting in rates if setting.startswith(MANY)] or [MANY]
    for setting in settings:
        value = _ratio(rates.get(setting), rates.get(FEW))
        yield Bar(f"{setting}: tokens/s, times those with 5", RETENTION, value)


def _rate(summary: Summary, server: str, mix: Mix, streams: int) -> float | None:
    return summary.best(summary.find(server, mix, streams), TOKENS_PER_SECOND)


def _one_cell(
    summary: Summary, server: str, mix: Mix, streams: int, figure: str = FIRST_TOKEN
) -> Cell | None:
    keys = summary.find(server, mix, streams)
    return summary.cell(keys[0], figure) if keys else None


def _without_compiler(summary: Summary) -> Iterator[Bar]:
    """Eight rows, through HTTP, against one batch of PEFT's."""
    mixes: dict[Mix, str] = {"eight": "eight adapters", "one": "one adapter for all"}
    for mix, words in mixes.items():
        eager = [key for key in summary.find(OURS, mix, 8) if key.setting == EAGER]
        ours = summary.best(eager, TOKENS_PER_SECOND)
        theirs = _rate(summary, PEFT, mix, 8)
        name = f"8 streams, {words}, no compiled code: tokens/s, times PEFT generate's"
        yield Bar(name, 1.0, _ratio(ours, theirs))


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours is not None and theirs else None
