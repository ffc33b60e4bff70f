"""Fields that nothing is made of, which is said."""

from collections.abc import Collection, Iterator
from functools import lru_cache

from .finding import find_shape
from .names import BESIDE_CHATS, BOOKKEEPING, JUDGEMENTS, SURE, TITLE, own_name
from .row import Fields, is_filled

# Of a row that repeats one of its turns in another field, and so has no one shape by its names.
BESIDE_ECHOES = SURE | BOOKKEEPING | {*BESIDE_CHATS}


def unused(fields: Fields) -> Iterator[str]:
    """The keys of a row that training has no use for; bookkeeping aside."""
    for key in _without_use(tuple(fields)):
        is_title = own_name(key) == TITLE
        is_judgement = own_name(key) in JUDGEMENTS and isinstance(fields[key], bool)
        is_open = is_filled(fields[key]) and not is_judgement
        if is_open and (not is_title or _is_left_out(key, fields)):
            yield key


@lru_cache(maxsize=1024)
def _without_use(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Which of a row's keys; a title at most."""
    shape = find_shape(keys)
    used = shape.keys | BOOKKEEPING if shape else BESIDE_ECHOES
    return tuple(key for key in keys if (name := own_name(key)) not in used or name == TITLE)


def _is_left_out(title: str, fields: Fields) -> bool:
    """Where a question stands beside it that does not say the same."""
    shape = find_shape(fields)
    first = shape.required[0] if shape else ""
    asked = next((fields[key] for key in fields if own_name(key) == first), "")
    given = str(fields[title] or "").strip()
    return isinstance(asked, str) and bool(asked.strip()) and given.lower() not in asked.lower()


def unnamed(fields: Fields, columns: Collection[str]) -> Iterator[str]:
    """The keys of a row that the user has not named; bookkeeping aside."""
    return (key for key in fields if key not in columns and own_name(key) not in BOOKKEEPING)
