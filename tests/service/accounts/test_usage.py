"""Usage, on SQLite and on a real PostgreSQL alike."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection

from service.accounts.keys import DAY
from service.accounts.usage import MAX_MODEL, Account, Count, UsageLedger, read_usage
from service.errors import StateUnavailable
from service.state.database import State

NOON = 1_800_014_400.0  # 2027-01-15T12:00Z


class AwayState(State):
    """A state that can be away."""

    def __init__(self, state: State) -> None:
        self._inner = state
        self.is_away = self.is_read_only = False

    @contextmanager
    def begin(self, **options: Any) -> Generator[Connection]:
        if self.is_away:
            raise StateUnavailable("The database is away.")
        with self._inner.begin(**options) as connection:
            yield connection


def rows(state: State, days: int | None = None) -> list[tuple[str, str, str, int, int, int]]:
    return [
        (a.day, a.key_id, a.model, count.requests, count.prompt_tokens, count.completion_tokens)
        for a, count in read_usage(state, days, NOON)
    ]


def test_counts_add_up_by_key_model_and_day(state: State):
    now = [NOON - DAY]
    ledger = UsageLedger(state, clock=lambda: now[0])
    ledger.add("key_1", "中医", Count(1, 10, 5))
    ledger.add("key_1", "中医", Count(1, 20, 6))
    ledger.flush()
    ledger.add("key_1", "中医", Count(0, 0, 7))
    ledger.add("key_1", "bike", Count(1, 1, 1))
    ledger.add(None, "中医", Count(1, 1, 1))
    now[0] = NOON
    ledger.add("key_1", "中医", Count(1, 1, 1))
    ledger.flush()
    ledger.flush()
    assert rows(state) == [
        ("2027-01-14", "", "中医", 1, 1, 1),
        ("2027-01-14", "key_1", "bike", 1, 1, 1),
        ("2027-01-14", "key_1", "中医", 2, 30, 18),
        ("2027-01-15", "key_1", "中医", 1, 1, 1),
    ]
    assert rows(state, days=1) == [("2027-01-15", "key_1", "中医", 1, 1, 1)]
    assert len(rows(state, days=2)) == 4


def test_two_servers_on_one_database_add_up(state: State):
    ledgers = [UsageLedger(state, clock=lambda: NOON) for _ in range(2)]
    for ledger in ledgers * 3:
        ledger.add("key_1", "tcm", Count(1, 2, 3))
        ledger.flush()
    assert rows(state) == [("2027-01-15", "key_1", "tcm", 6, 12, 18)]


def test_a_thread_writes_while_the_server_runs_and_the_rest_when_it_stops(
    state: State, wait_until: Callable[..., None]
):
    ledger = UsageLedger(state, interval=0.01, clock=lambda: NOON)
    ledger.start()
    ledger.add("key_1", "tcm", Count(1, 2, 3))
    wait_until(lambda: bool(rows(state)))
    ledger.stop()
    patient = UsageLedger(state, interval=3600, clock=lambda: NOON)
    patient.start()
    patient.add("key_1", "tcm", Count(1, 2, 3))
    patient.stop()
    assert rows(state) == [("2027-01-15", "key_1", "tcm", 2, 4, 6)]


def test_what_cannot_be_written_is_kept_and_said_once(
    own_state: State, caplog: pytest.LogCaptureFixture
):
    state = AwayState(own_state)
    ledger = UsageLedger(state, clock=lambda: NOON)
    state.is_away = True
    for _ in range(3):
        ledger.add("key_1", "tcm", Count(1, 2, 3))
        ledger.flush()
    assert caplog.text.count("cannot be written") == 1
    state.is_away = False
    ledger.add("key_1", "tcm", Count(1, 2, 3))
    ledger.flush()
    assert rows(state) == [("2027-01-15", "key_1", "tcm", 4, 8, 12)]


def test_the_longest_blend_fits(state: State):
    ledger = UsageLedger(state, clock=lambda: NOON)
    ledger.add("key_1", "+".join(["中" * 64] * 16), Count(1, 2, 3))
    ledger.flush()
    ((account, _),) = read_usage(state, None, NOON)
    assert account == Account("key_1", "+".join(["中" * 64] * 16)[:MAX_MODEL], "2027-01-15")
