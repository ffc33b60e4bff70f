"""Whether a table's first row names the columns or is a row like those below it."""

import re
from collections.abc import Sequence

VALUE = re.compile(
    r"[-+]?\d[\d.,]*%?"  # a number
    r"|\d{1,4}[-/.年]\d{1,2}[-/.月日].*|.*\d{1,2}:\d{2}.*"  # a date, a time
    r"|\S+@\S+\.\w+|(?:https?://|www\.)\S+"  # an address
)
ENDS = re.compile(r"[。.!！?？؟…;；][\"'”’」』)）]*$")
LONG = 40  # [characters] that no name has
SHARE = 0.8  # of the rows below


def looks_like_data(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool | None:
    """True where the row is one of data, False where it can only be a header, None where neither
    shows."""
    if not first or not below:
        return None
    columns = [(cell, [row[at] for row in below if at < len(row)]) for at, cell in enumerate(first)]
    found = [_judge(cell, values) for cell, values in columns]
    if False in found:
        return False
    if True in found:
        return True
    is_text = any(ENDS.search(cell) or len(cell) > LONG for cell in first)
    return True if is_text else None


def _judge(cell: str, values: Sequence[str]) -> bool | None:
    """Judge a cell by its column: numbers and their like stand below numbers, a header's word does
    not; and a word that comes again below is no header."""
    filled = [each for each in values if each]
    if not filled or not cell:
        return None
    valued = sum(VALUE.fullmatch(each) is not None for each in filled)
    if VALUE.fullmatch(cell):
        return True
    if valued > SHARE * len(filled):
        return False
    return True if cell in filled else None
