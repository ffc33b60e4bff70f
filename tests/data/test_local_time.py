"""Times as people read them."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from data.local_time import local_time


@pytest.fixture
def live_in(monkeypatch: pytest.MonkeyPatch) -> object:
    def move(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("zone", "told"),
    [
        ("Asia/Shanghai", "2026-02-01 04:30+08:00"),
        ("UTC", "2026-01-31 20:30+00:00"),
        ("America/New_York", "2026-01-31 15:30-05:00"),
    ],
)
def test_a_time_is_that_of_the_place_with_its_distance_from_utc(
    live_in: Callable[[str], None], zone: str, told: str
):
    live_in(zone)
    moment = datetime(2026, 1, 31, 20, 30, tzinfo=UTC)
    assert local_time(moment) == told
    assert local_time(moment.timestamp()) == told
