"""What stands between dialogues and belongs to none: gaps, separators, headings, page numbers."""

import re
from collections.abc import Sequence

from data.errors import Fault

Line = tuple[int, str]  # with its number

SEPARATOR = re.compile(r"\s*([-=*_])\1{2,}\s*")
NUMERAL = "[0-9０-９零〇一二两三四五六七八九十百]{1,5}"
LONGEST = 40  # [characters] of a chapter's name
HEADING = re.compile(
    rf"""\s*(?:
    \#{{1,6}}\s+\S.*                                   # Markdown's
    |(?:第\s*{NUMERAL}\s*[章节節篇卷编]|chapter\s+(?:\d+|[ivx]+))
        (?:[\s:：、.—-].{{0,{LONGEST}}}(?<![。！!；;.]))?  # which a sentence ends in
    |[-–—]+\s*\d{{1,5}}\s*[-–—]+                       # - 12 -
    |(?:-\s*)?第\s*{NUMERAL}\s*[页頁](?:[\s/,，]*共\s*{NUMERAL}\s*[页頁])?(?:\s*-)?
    |page\s+\d{{1,5}}(?:\s*(?:of|/)\s*\d{{1,5}})?
    )\s*""",
    re.VERBOSE | re.IGNORECASE,
)
NUM_NAMED = 10


def is_gap(line: str) -> bool:
    return not line.strip() or SEPARATOR.fullmatch(line) is not None


def is_heading(line: str) -> bool:
    """Or the number of a page."""
    return HEADING.fullmatch(line) is not None


def cut_headings(lines: list[str]) -> list[tuple[int, str]]:
    """Take the headings off that stand behind a gap at the end, where no more text follows; with
    their places. The first line is the text behind a role word, whatever it looks like."""
    end = len(lines)
    while end > 1 and (is_gap(lines[end - 1]) or is_heading(lines[end - 1])):
        end -= 1
    gap = next((at for at in range(end, len(lines)) if is_gap(lines[at])), len(lines))
    found = [(at, lines[at].strip()) for at in range(gap, len(lines)) if not is_gap(lines[at])]
    if found:
        del lines[gap + 1 :]
    return found


def left_out(headings: Sequence[Line], source: str) -> Fault:
    """One warning for all of a file."""
    named = ", ".join(f"line {number} {text[:LONGEST]!r}" for number, text in headings[:NUM_NAMED])
    more = f" and {len(headings) - NUM_NAMED} more" if len(headings) > NUM_NAMED else ""
    what = "a heading or page number" if len(headings) == 1 else f"{len(headings)} headings"
    seen = f"{what}, left out: {named}{more}"
    expected = "no empty line above it, if it belongs to the answer"
    return Fault(source, headings[0][0], "heading", seen, expected, "warning", "heading")
