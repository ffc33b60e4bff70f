"""The first few of many things, and how many more there are."""

from collections.abc import Iterable
from itertools import islice

from data.wording import _

LONGEST_SHOWN = 40  # [characters]


def first_of(shown: Iterable[str], total: int, most: int) -> str:
    """`a, b and 3 more`: at most `most` of the `total` things, as they are shown."""
    things = _(", ").join(islice(shown, most))
    if total <= most:
        return things
    return _("{things} and {count} more").format(things=things, count=total - most)


def shown_line(line: tuple[int, str]) -> str:
    """Its number and how it begins."""
    return _("line {number} {text!r}").format(number=line[0], text=line[1][:LONGEST_SHOWN])
