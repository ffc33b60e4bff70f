"""The ledger, in each kind of database: entries stay as they were written."""

from typing import Any

import pytest
from sqlalchemy import delete, update

from service.improving.ledger import Entry, Ledger
from service.state.database import State
from service.state.tables import LEDGER

NOW = 1_764_406_000


@pytest.fixture
def ledger(state: State) -> Ledger:
    return Ledger(state, "here", clock=lambda: NOW)


def entry(what: str = "promote", **fields: Any) -> Entry:
    told = {"reasons": ["更好"], "gain": 0.25, "needed": None, "set": {"a": "b"}}
    given: dict[str, Any] = {
        "adapter": "tcm",
        "what": what,
        "before": "tcm@1",
        "after": "tcm@2",
        "told": told,
    }
    return Entry(**given | fields)


def test_entries_come_back_newest_first(state: State, ledger: Ledger):
    first = ledger.add(entry(round=1, who="key_a"))
    second = ledger.add(entry("refuse", round=2))
    ledger.add(entry(adapter="style"))
    Ledger(state, "there").add(entry(round=9))
    assert ledger.entries("tcm") == [second, first]
    assert (first.number, first.created, first.who) == (1, NOW, "key_a")
    assert [each.adapter for each in ledger.entries(limit=1)] == ["style"]
    assert (ledger.last_round("tcm"), ledger.last_round("style")) == (2, 0)
    assert ledger.first_changed() is None


def test_a_changed_entry_is_noticed(state: State, ledger: Ledger):
    for number in range(3):
        ledger.add(entry(round=number))
    with state.begin() as connection:
        told = {"reasons": ["worse"]}
        connection.execute(update(LEDGER).where(LEDGER.c.number == 2).values(told=told))
    assert ledger.first_changed() == 2


@pytest.mark.parametrize(("gone", "noticed"), [(1, 2), (2, 3)])
def test_an_entry_that_was_taken_out_is_noticed(
    state: State, ledger: Ledger, gone: int, noticed: int
):
    for number in range(3):
        ledger.add(entry(round=number))
    with state.begin() as connection:
        connection.execute(delete(LEDGER).where(LEDGER.c.number == gone))
    assert ledger.first_changed() == noticed


def test_what_goes_with_an_entry_is_there_with_it_or_not_at_all(ledger: Ledger):
    def fail(_: object) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        ledger.add(entry(), fail)
    assert ledger.entries() == []
