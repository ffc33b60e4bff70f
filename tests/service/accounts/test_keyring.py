import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from service.accounts.caller import ANYBODY
from service.accounts.keyring import MAX_AGE, MAX_OUTAGE, Keyring
from service.accounts.keys import DAY, Key, Keys, KeyWish
from service.errors import InvalidKey, StateUnavailable
from service.state.database import State

NOW = 1_800_000_000.0


class RecordedKeys(Keys):
    """Counts how often the database is asked, and can lose it."""

    def __init__(self, state: State) -> None:
        super().__init__(state, self.clock)
        self.now = NOW
        self.num_reads = 0
        self.is_away = False

    def clock(self) -> float:
        return self.now

    def by_digest(self) -> dict[str, Key]:
        self.num_reads += 1
        if self.is_away:
            raise StateUnavailable("The database is away.")
        return super().by_digest()


@pytest.fixture
def keys(own_state: State) -> RecordedKeys:
    return RecordedKeys(own_state)


@pytest.fixture
def keyring(keys: RecordedKeys) -> Keyring:
    return Keyring(keys, keys.clock)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def problem_of(keyring: Keyring, secret: str | None) -> str:
    with pytest.raises(InvalidKey) as caught:
        run(keyring.identify(secret))
    return str(caught.value)


def test_without_keys_everybody_may_do_everything_whatever_they_send(keyring: Keyring):
    for secret in (None, "none-needed"):
        caller = run(keyring.identify(secret))
        assert caller is ANYBODY
        assert caller.has("admin")


def test_a_key_says_who_asks(keyring: Keyring, keys: RecordedKeys):
    key, secret = keys.create(KeyWish("安娜", adapters=("中医",)))
    assert run(keyring.identify(secret)) == key.caller


def test_missing_wrong_expired_and_revoked_keys_are_told_apart(
    keyring: Keyring, keys: RecordedKeys
):
    _, brief = keys.create(KeyWish("brief", days=1))
    _, lost = keys.create(KeyWish("lost"))
    keys.revoke("lost")
    keys.now += DAY
    assert "needs a key" in problem_of(keyring, None)
    assert "not valid here" in problem_of(keyring, brief + "x")
    assert problem_of(keyring, brief) == "The key 'brief' is expired."
    assert problem_of(keyring, lost) == "The key 'lost' is revoked."


def test_keys_made_and_revoked_elsewhere_count_within_seconds(keyring: Keyring, keys: RecordedKeys):
    assert run(keyring.identify(None)) is ANYBODY
    _, secret = keys.create(KeyWish("anna"))
    keys.now += MAX_AGE
    assert run(keyring.identify(secret)).name == "anna"
    keys.revoke("anna")
    keys.now += MAX_AGE
    assert "revoked" in problem_of(keyring, secret)


def test_an_end_counts_at_once_however_fresh_the_keys_are(keyring: Keyring, keys: RecordedKeys):
    _, secret = keys.create(KeyWish("anna", days=1))
    keys.now += DAY - 0.5
    run(keyring.identify(secret))
    keys.now += 0.5
    assert "expired" in problem_of(keyring, secret)
    assert keys.num_reads == 1


def test_many_requests_ask_the_database_once(keyring: Keyring, keys: RecordedKeys):
    _, secret = keys.create(KeyWish("anna"))

    async def ask_together() -> list[Any]:
        right = [keyring.identify(secret) for _ in range(50)]
        wrong = [keyring.identify(f"lc-{number}") for number in range(50)]
        return await asyncio.gather(*right, *wrong, return_exceptions=True)

    answers = run(ask_together())
    assert {answer.name for answer in answers[:50]} == {"anna"}
    assert {type(answer) for answer in answers[50:]} == {InvalidKey}
    assert keys.num_reads == 1


def test_known_keys_outlast_a_database_that_is_away_but_not_for_ever(
    keyring: Keyring, keys: RecordedKeys
):
    _, secret = keys.create(KeyWish("anna"))
    run(keyring.identify(secret))
    keys.is_away = True
    keys.now += MAX_OUTAGE
    for _ in range(10):
        assert run(keyring.identify(secret)).name == "anna"
    assert keys.num_reads == 2, "asked once in a while, not for each request"
    keys.now += MAX_AGE
    for _ in range(2):
        with pytest.raises(StateUnavailable):
            run(keyring.identify(secret))
    keys.is_away = False
    assert run(keyring.identify(secret)).name == "anna"


def test_a_database_that_was_never_there_lets_nobody_in(keyring: Keyring, keys: RecordedKeys):
    keys.is_away = True
    with pytest.raises(StateUnavailable):
        run(keyring.identify(None))
