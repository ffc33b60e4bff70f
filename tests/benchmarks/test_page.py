"""What the benchmark of the page makes of a browser's trace."""

from typing import Any

from benchmarks.page import Loading, Streaming, bars_of, frames_of, longest_task


def event(name: str, at: float, took: float | None = None, thread: int = 1) -> dict[str, Any]:
    """Times in milliseconds, as nobody but this test has them."""
    lasting = {} if took is None else {"dur": took * 1000}
    return {"name": name, "ts": at * 1000, "tid": thread, **lasting}


TRACE = [
    event("FireAnimationFrame", 50),
    event("FireAnimationFrame", 0),
    event("RunTask", 0, 12),
    event("RunTask", 60, 300, thread=2),
    event("RunTask", 70),  # still at it when the trace ended
    event("FireAnimationFrame", 16),
]


def test_frames_are_counted_from_one_to_the_next():
    assert frames_of(TRACE) == [16, 34]


def test_the_longest_task_is_one_of_the_page():
    assert longest_task(TRACE) == 12


def test_bars_take_the_middle_of_the_rounds():
    loads = [Loading(painted, 300, 5, 49) for painted in (90, 900, 199)]
    streams = [Streaming(201, 100, frame, 0, 20) for frame in (30, 51, 60)]
    assert [bar.is_passed for bar in bars_of(loads, streams)] == [True, True, True, False]
