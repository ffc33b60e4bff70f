"""Keys, on SQLite and on a real PostgreSQL alike."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.accounts.caller import Limits
from service.accounts.keys import DAY, Keys, KeyWish, day_of, digest_of
from service.errors import KeyRefused
from service.state.database import State

NOW = 1_800_000_000.0


@pytest.fixture
def keys(state: State) -> Keys:
    return Keys(state, clock=lambda: NOW)


def test_a_key_is_long_random_and_found_by_its_hash(keys: Keys):
    (one, secret), (_, other) = keys.create(KeyWish("anna")), keys.create(KeyWish("bert"))
    assert re.fullmatch(r"lc-[\w-]{40,}", secret)
    assert secret != other
    assert keys.by_digest()[digest_of(secret)] == one
    assert one.ending == secret[-4:]


def test_a_key_itself_is_kept_nowhere(own_state: State, tmp_path: Path):
    _, secret = Keys(own_state).create(KeyWish("anna"))
    own_state.close()
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert digest_of(secret).encode() in written
    assert secret.removeprefix("lc-").encode() not in written


def test_a_key_is_as_it_was_wished_for(keys: Keys):
    limits = Limits(60, 9_000, max_jobs=3, training_tokens_per_day=10**6, max_file_bytes=10**10)
    wish = KeyWish("安娜", ("chat", "train"), ("中医", "meta-llama/Llama-2"), limits, days=1.5)
    keys.create(wish)
    (key,) = keys.all()
    assert (key.name, key.scopes, key.adapters) == (wish.name, wish.scopes, wish.adapters)
    assert key.limits == limits
    assert (key.created, key.expires) == (NOW, NOW + 1.5 * DAY)
    assert key.caller.may_use("中医")
    assert not key.caller.may_use("bike")


def test_the_smallest_key_may_chat_with_everything(keys: Keys):
    caller = keys.create(KeyWish("anna"))[0].caller
    assert (caller.has("chat"), caller.has("admin")) == (True, False)
    assert caller.may_use("whatever")
    assert caller.limits == Limits()


def test_admin_includes_the_other_scopes_and_they_not_each_other(keys: Keys):
    root = keys.create(KeyWish("root", ("admin",)))[0].caller
    assert (root.has("chat"), root.has("train")) == (True, True)
    trainer = keys.create(KeyWish("trainer", ("train",)))[0].caller
    assert (trainer.has("chat"), trainer.has("train"), trainer.has("admin")) == (False, True, False)


def test_a_name_is_taken_until_its_key_is_revoked(keys: Keys):
    first, _ = keys.create(KeyWish("anna"))
    with pytest.raises(KeyRefused, match="There is a key named 'anna' already"):
        keys.create(KeyWish("anna"))
    assert keys.revoke("anna").status(NOW) == "revoked"
    second, _ = keys.create(KeyWish("anna"))
    assert keys.find("anna") == second
    assert keys.find(first.id).revoked == NOW


def test_a_key_is_revoked_by_name_or_by_id_and_once(keys: Keys):
    for name in ("anna", "bert"):
        keys.create(KeyWish(name))
    anna, bert = keys.all()
    keys.revoke(bert.id)
    assert keys.find(bert.id).revoked == NOW
    assert keys.revoke(bert.id) == keys.find(bert.id)
    assert keys.find("anna").revoked is None
    keys.revoke("anna")
    assert keys.find(anna.id).revoked == NOW
    with pytest.raises(KeyRefused, match="no valid key with the name or id 'nobody'"):
        keys.revoke("nobody")


def test_a_key_expires(keys: Keys):
    key, _ = keys.create(KeyWish("anna", days=1))
    assert (key.status(NOW + DAY - 1), key.status(NOW + DAY)) == ("valid", "expired")


def test_keys_are_demanded_from_the_first_one_on_and_the_last_revoked_opens_nothing(keys: Keys):
    assert not keys.are_demanded()
    keys.create(KeyWish("anna"))
    assert keys.are_demanded()
    keys.revoke("anna")
    assert keys.are_demanded()
    assert keys.clear() == 1
    assert not keys.are_demanded()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": ""}, "cannot be a key's name"),
        ({"name": " anna"}, "cannot be a key's name"),
        ({"name": "an\nna"}, "cannot be a key's name"),
        ({"name": "a" * 65}, "cannot be a key's name"),
        ({"name": "key_0a1b"}, "looks like a key's id"),
        ({"scopes": ("chat", "root")}, "chat, train and admin, not root"),
        ({"scopes": ()}, "not none"),
        ({"adapters": ()}, "Nothing cannot be allowed"),
        ({"adapters": ("tcm@2",)}, "'tcm@2' cannot be allowed"),
        ({"adapters": ("tcm", "")}, "'' cannot be allowed"),
    ],
)
def test_an_impossible_key_is_refused(keys: Keys, fields: dict[str, Any], problem: str):
    with pytest.raises(KeyRefused, match=problem):
        keys.create(replace(KeyWish("anna"), **fields))
    assert keys.all() == []


def test_days_are_counted_in_utc():
    assert [day_of(seconds) for seconds in (0, DAY - 1, DAY)] == [
        "1970-01-01",
        "1970-01-01",
        "1970-01-02",
    ]


def test_a_key_may_use_what_it_is_allowed_later(keys: Keys):
    some, _ = keys.create(KeyWish("anna", adapters=["tcm"]))
    every, _ = keys.create(KeyWish("bert"))
    for key_id in (some.id, every.id, "key_nobody", ""):
        for name in ("style", "tcm", "style"):
            keys.allow(key_id, name)
    assert keys.find("anna").adapters == ("tcm", "style")
    assert keys.find("anna").caller.may_use("style")
    assert keys.find("bert") == every


def test_what_is_allowed_at_the_same_moment_is_all_there(keys: Keys):
    key, _ = keys.create(KeyWish("anna", adapters=["tcm"]))
    names = [f"style-{number}" for number in range(8)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: keys.allow(key.id, name), names))
    assert sorted(keys.find("anna").adapters or ()) == [*names, "tcm"]
