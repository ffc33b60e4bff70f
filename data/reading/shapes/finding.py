"""Which shape a row has, by the names of its fields."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial

from data.conversation import Message

from .alternatives import read_article, read_intent, read_lists, read_paragraph
from .beside import put_beside
from .names import (
    ANSWERS,
    BESIDE_CHATS,
    BESIDE_PAIRS,
    CHATS,
    DIALOGUES,
    INPUT,
    NOT_PREFERRED,
    PREFERRED,
    SURE,
    TEXT,
    find_pair,
    own_name,
)
from .pairs import read_pair
from .preferences import read_preference
from .row import Fields, Row
from .turns import read_turns

# Their strings may be the questions alone.
NOT_BY_TURNS = frozenset({"turns"})
LISTS = frozenset({"questions", "answers"})


@dataclass(frozen=True, slots=True)
class Shape:
    """The keys of one kind of row, and how its conversations are read."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    read: Callable[[Fields, Row], list[list[Message]]]

    @property
    def keys(self) -> set[str]:
        return {*self.required, *self.optional}

    @property
    def has_turns(self) -> bool:
        """Whether the turns are in one field, whole."""
        return self.required[0] in (*CHATS, *DIALOGUES, TEXT)


def find_shape(keys: Iterable[str]) -> Shape | None:
    """The one shape that the keys have; None where they have none, or parts of two."""
    return _find_shape(tuple(keys))


@lru_cache(maxsize=1024)
def _find_shape(keys: tuple[str, ...]) -> Shape | None:
    names = frozenset(map(own_name, keys))
    found = _chat(names, CHATS) or _other(names)
    return found if found and not names & SURE - found.keys else None


def _other(names: frozenset[str]) -> Shape | None:
    pair = find_pair(names)
    is_sure = pair is not None and pair[1] in ANSWERS
    candidates = (
        _pair(pair) if is_sure else None,
        _chat(names, DIALOGUES),
        _pair(pair),
        *(shape for shape in NESTED if names >= {*shape.required}),
        _chat(names, (TEXT,)),
    )
    return next((shape for shape in candidates if shape), None)


def _chat(names: frozenset[str], keys: tuple[str, ...]) -> Shape | None:
    """Turns in one field."""
    found = [key for key in keys if key in names]
    if len(found) != 1:
        return None
    return Shape((found[0],), BESIDE_CHATS, partial(_read_chat, found[0]))


def _read_chat(key: str, fields: Fields, row: Row) -> list[list[Message]]:
    turns = read_turns(fields.get(key, []), key, row, may_lack_words=key not in NOT_BY_TURNS)
    return [put_beside(turns, fields, row)]


def _pair(pair: tuple[str, str] | None) -> Shape | None:
    """A question and its answer in two fields."""
    return Shape(pair, BESIDE_PAIRS, partial(_read_pair, *pair)) if pair else None


def _read_pair(question: str, answer: str, fields: Fields, row: Row) -> list[list[Message]]:
    if not LISTS.isdisjoint((question, answer)):
        return read_lists(fields, question, answer, row)
    return [read_pair(fields, question, answer, row)]


NESTED = (
    Shape(("patterns", "responses"), ("tag", "context", "context_set"), read_intent),
    Shape(("paragraphs",), ("title",), read_article),
    Shape(("context", "qas"), ("title",), read_paragraph),
    Shape((PREFERRED, INPUT), (NOT_PREFERRED,), read_preference),
)
