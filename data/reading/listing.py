"""The first few of many things, and how many more there are."""

from collections.abc import Iterable
from itertools import islice


def first_of(shown: Iterable[str], total: int, most: int) -> str:
    """`a, b and 3 more`: at most `most` of the `total` things, as they are shown."""
    more = f" and {total - most} more" if total > most else ""
    return f"{', '.join(islice(shown, most))}{more}"
