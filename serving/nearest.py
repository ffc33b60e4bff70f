"""Which of the names that there are was probably meant."""

import difflib
import itertools
import re
from collections.abc import Sequence

LONGEST = 100  # [characters] of a name that is compared
BETWEEN = re.compile(r"[/:@]+")  # an owner, a base, a version or a tag beside the name
MAX_PIECES = 3


def nearest(asked: str, names: Sequence[str]) -> str | None:
    """The one of `names` that `asked` comes near: in other letters, or with more around it."""
    if len(asked) > LONGEST:
        return None
    by_letters = {name.casefold(): name for name in names}
    whole = asked.casefold()
    forms = [whole, *BETWEEN.split(whole)[: -MAX_PIECES - 1 : -1]]
    same = (form for form in forms if form in by_letters)
    close = (match for form in forms for match in difflib.get_close_matches(form, by_letters, n=1))
    found = next(itertools.chain(same, close), None)
    return None if found is None or by_letters[found] == asked else by_letters[found]
