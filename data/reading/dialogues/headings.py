"""What stands between dialogues and belongs to none: gaps, separators, headings, page numbers."""

import re

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


def is_gap(line: str) -> bool:
    return not line.strip() or SEPARATOR.fullmatch(line) is not None


def is_heading(line: str) -> bool:
    """Or the number of a page."""
    return HEADING.fullmatch(line) is not None
