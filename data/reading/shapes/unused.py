"""Fields that nothing is made of, which is said."""

from collections.abc import Collection, Iterator

from .finding import Shape, find_shape
from .names import BESIDE_CHATS, BOOKKEEPING, SURE, TITLE, own_name
from .row import Fields, is_filled

# Of a row that repeats one of its turns in another field, and so has no one shape by its names.
BESIDE_ECHOES = SURE | BOOKKEEPING | {*BESIDE_CHATS}


def unused(fields: Fields) -> Iterator[str]:
    """The keys of a row that training has no use for; bookkeeping aside."""
    shape = find_shape(fields)
    used = shape.keys | BOOKKEEPING if shape else BESIDE_ECHOES
    for key in fields:
        name = own_name(key)
        if not is_filled(fields[key]):
            continue
        if name not in used or (name == TITLE and shape and _is_left_out(key, fields, shape)):
            yield key


def _is_left_out(title: str, fields: Fields, shape: Shape) -> bool:
    """Where a question stands beside it that does not say the same."""
    asked = next((fields[key] for key in fields if own_name(key) == shape.required[0]), "")
    given = str(fields[title] or "").strip()
    return isinstance(asked, str) and bool(asked.strip()) and given.lower() not in asked.lower()


def unnamed(fields: Fields, columns: Collection[str]) -> Iterator[str]:
    """The keys of a row that the user has not named; bookkeeping aside."""
    return (key for key in fields if key not in columns and own_name(key) not in BOOKKEEPING)
