"""Keys: made, listed, revoked, and found again by their hash."""

import secrets
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Row, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from data.wording import _
from service.errors import KeyRefused
from service.state.database import State
from service.state.tables import KEYS, USAGE

from .caller import SCOPES, STORE_ANSWERS, Caller, Limits, Scope, StoreAnswers

PREFIX = "lc-"
ID_PREFIX = "key_"
NUM_BYTES = 32  # of randomness in a key
DAY = 86_400  # [seconds]
MAX_NAME = 64  # [characters]


@dataclass(frozen=True, slots=True)
class Key:
    """All that is known of a key; the key itself was shown once and is not."""

    id: str
    name: str
    ending: str  # its last characters
    scopes: tuple[Scope, ...]
    adapters: tuple[str, ...] | None  # None: all, and the base
    limits: Limits
    created: int  # [Unix seconds]
    expires: int | None
    revoked: int | None
    store_answers: StoreAnswers | None = None  # None: as the server has it

    def is_valid(self, now: float) -> bool:
        return self.revoked is None and (self.expires is None or now < self.expires)

    def status(self, now: float) -> str:
        if self.revoked is not None:
            return "revoked"
        return "valid" if self.is_valid(now) else "expired"

    @property
    def caller(self) -> Caller:
        adapters = None if self.adapters is None else frozenset(self.adapters)
        scopes = frozenset(self.scopes)
        return Caller(self.id, self.name, scopes, adapters, self.limits, self.store_answers)


@dataclass(frozen=True, slots=True)
class KeyWish:
    """What a new key shall be."""

    name: str
    scopes: Sequence[str] = ("chat",)
    adapters: Sequence[str] | None = None
    limits: Limits = field(default_factory=Limits)
    days: float | None = None  # until it expires
    store_answers: str | None = None


def digest_of(secret: str) -> str:
    """SHA-256, in hex. A key is 256 random bits: no slow hash is needed against guessing them."""
    return sha256(secret.encode()).hexdigest()


class Keys:
    """The keys in the state. Every method asks the database, so call from threads.

    All raise StateUnavailable where it does not answer.
    """

    def __init__(self, state: State, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._clock = clock

    def create(self, wish: KeyWish) -> tuple[Key, str]:
        """A new key, and the secret that nobody can read again. Raises KeyRefused."""
        _check_name(wish.name)
        _check_scopes(wish.scopes)
        _check_adapters(wish.adapters)
        _check_store(wish.store_answers)
        secret = PREFIX + secrets.token_urlsafe(NUM_BYTES)
        row = self._row(wish, secret)
        try:
            with self._state.begin() as connection:
                connection.execute(insert(KEYS).values(row))
        except IntegrityError:
            told = _(
                "There is a key named {name!r} already. Choose another name, or revoke it first: "
                "lora-chat keys revoke {name}"
            )
            raise KeyRefused(told.format(name=wish.name)) from None
        return self.find(row["id"]), secret

    def all(self) -> list[Key]:
        """All keys, the oldest first, those that are no longer valid among them."""
        return list(self.by_digest().values())

    def by_digest(self) -> dict[str, Key]:
        with self._state.begin() as connection:
            rows = connection.execute(select(KEYS).order_by(KEYS.c.created, KEYS.c.name)).all()
        return {row.digest: _key(row) for row in rows}

    def find(self, reference: str) -> Key:
        """The key of that id, or else the one of that name that is not revoked.

        Raises KeyRefused where there is none.
        """
        of_reference = or_(
            KEYS.c.id == reference, (KEYS.c.name == reference) & KEYS.c.revoked.is_(None)
        )
        with self._state.begin() as connection:
            row = connection.execute(select(KEYS).where(of_reference)).first()
        if row is None:
            told = _(
                "There is no valid key with the name or id {reference!r}: `lora-chat keys list` "
                "shows them all."
            )
            raise KeyRefused(told.format(reference=reference))
        return _key(row)

    def revoke(self, reference: str) -> Key:
        """Let a key be valid no more; revoking it again changes nothing. Raises KeyRefused."""
        key = self.find(reference)
        still_valid = (KEYS.c.id == key.id) & KEYS.c.revoked.is_(None)
        with self._state.begin() as connection:
            connection.execute(update(KEYS).where(still_valid).values(revoked=int(self._clock())))
        return self.find(key.id)

    def allow(self, key_id: str, name: str) -> None:
        """Let a key use an adapter beside those that it may use; one that may use all needs no
        more, and an id that no key has is nobody's."""
        with self._state.begin(sqlite_begin="BEGIN IMMEDIATE") as connection:
            asked = select(KEYS.c.adapters).where(KEYS.c.id == key_id).with_for_update()
            allowed = connection.execute(asked).scalar()
            if allowed is not None and name not in allowed:
                changed = update(KEYS).where(KEYS.c.id == key_id)
                connection.execute(changed.values(adapters=[*allowed, name]))

    def clear(self) -> int:
        """Forget every key and all usage: nobody is asked for a key then. Returns how many."""
        with self._state.begin() as connection:
            connection.execute(delete(USAGE))
            return connection.execute(delete(KEYS)).rowcount

    def are_demanded(self) -> bool:
        """Whether requests need a key: once there was one, so that revoking the last one opens
        nothing."""
        with self._state.begin() as connection:
            return connection.execute(select(KEYS.c.id).limit(1)).first() is not None

    def _row(self, wish: KeyWish, secret: str) -> dict[str, Any]:
        now = int(self._clock())
        return {
            "id": ID_PREFIX + secrets.token_hex(6),
            "name": wish.name,
            "digest": digest_of(secret),
            "ending": secret[-4:],
            "scopes": list(wish.scopes),
            "adapters": None if wish.adapters is None else list(wish.adapters),
            **asdict(wish.limits),
            "store_answers": wish.store_answers,
            "created": now,
            "expires": None if wish.days is None else now + round(wish.days * DAY),
            "revoked": None,
        }


def _key(row: Row[Any]) -> Key:
    return Key(
        row.id,
        row.name,
        row.ending,
        tuple(row.scopes),
        None if row.adapters is None else tuple(row.adapters),
        Limits(**{limit.name: getattr(row, limit.name) for limit in fields(Limits)}),
        row.created,
        row.expires,
        row.revoked,
        row.store_answers,
    )


def day_of(seconds: float) -> str:
    """2026-01-31, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def _check_name(name: str) -> None:
    if not name or len(name) > MAX_NAME or not name.isprintable() or name != name.strip():
        told = _(
            "{name!r} cannot be a key's name: write 1 to {most} printable characters, no blank "
            "first or last."
        )
        raise KeyRefused(told.format(name=name[: 2 * MAX_NAME], most=MAX_NAME))
    if name.startswith(ID_PREFIX):
        told = _("{name!r} looks like a key's id. Choose a name without {prefix!r}.")
        raise KeyRefused(told.format(name=name, prefix=ID_PREFIX))


def _check_scopes(scopes: Collection[str]) -> None:
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        told = _("Scopes are {known}, not {unknown}.")
        known = _(" and ").join((", ".join(SCOPES[:-1]), SCOPES[-1]))
        raise KeyRefused(told.format(known=known, unknown=", ".join(unknown) or _("none")))


def _check_store(wish: str | None) -> None:
    if wish is not None and wish not in STORE_ANSWERS:
        told = _("--store-answers takes {known}, not {unknown!r}.")
        raise KeyRefused(told.format(known=", ".join(STORE_ANSWERS), unknown=wish))


def _check_adapters(adapters: Collection[str] | None) -> None:
    if adapters is None:
        return
    wrong = [name for name in adapters if not name or set(name) & set("@:+<>, ")]
    if wrong or not adapters:
        told = _(
            "{names} cannot be allowed: --adapters takes names of adapters, or the base's, with "
            "commas between: a,b. A name allows all its versions."
        )
        raise KeyRefused(told.format(names=", ".join(map(repr, wrong)) or _("Nothing")))
