"""Who asks, and what they may do. The middleware in `access` sets it, everybody may read it."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, get_args

from serving.errors import ModelNotFound

Scope = Literal["chat", "train", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
StoreAnswers = Literal["off", "asked", "all"]
STORE_ANSWERS: tuple[StoreAnswers, ...] = get_args(StoreAnswers)


@dataclass(frozen=True, slots=True)
class Limits:
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_jobs: int | None = None  # that wait or run at once
    training_tokens_per_day: int | None = None
    max_file_bytes: int | None = None  # of all its files together


@dataclass(frozen=True, slots=True)
class Caller:
    """A key's holder; without a key, anybody."""

    key_id: str | None = None
    name: str | None = None
    scopes: frozenset[Scope] = frozenset(SCOPES)
    adapters: frozenset[str] | None = None  # names, the base's among them; None: all
    limits: Limits = field(default_factory=Limits)
    store_answers: StoreAnswers | None = None  # None: as the server has it

    def has(self, scope: Scope) -> bool:
        return scope in self.scopes or "admin" in self.scopes

    @property
    def owner(self) -> str:
        """Whose what this caller makes is; "": nobody's key's."""
        return self.key_id or ""

    def owns(self, key_id: str) -> bool:
        """Whether they may see what belongs to a key."""
        return self.has("admin") or key_id == self.owner

    def may_use(self, name: str) -> bool:
        """Whether an adapter, or the base, is there for this caller."""
        return self.adapters is None or name in self.adapters


ANYBODY = Caller()


current_caller: ContextVar[Caller] = ContextVar("current_caller", default=ANYBODY)
"""Who asks for what is being done now."""


def check_mine(name: str) -> None:
    """What is not for the caller does not exist for them. Raises ModelNotFound."""
    caller = current_caller.get()
    if not caller.may_use(name):
        raise ModelNotFound(name, sorted(caller.adapters or ()))
