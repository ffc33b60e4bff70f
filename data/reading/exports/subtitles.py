"""Subtitles of SubRip and WebVTT: cues as lines that hold a time alone, texts without tags."""

import html
import re
from collections.abc import Iterator, Sequence
from itertools import islice

SAMPLE = 400  # lines that decide
FEWEST = 2  # cues
CUE = re.compile(
    r"\s*((?:\d{1,3}:)?\d{1,2}:\d{1,2})[.,]\d{1,3}\s*-->\s*((?:\d{1,3}:)?\d{1,2}:\d{1,2})[.,]\d.*"
)
NAMED = re.compile(r"[\w.:/-]{1,80}", re.ASCII)  # what a cue may be called, above its time
BLOCK = re.compile(r"\ufeff?(?:WEBVTT|NOTE|STYLE|REGION)\b.*")
VOICE = re.compile(r"\s*<v(?:\.[\w.-]+)?\s+(?P<name>[^<>]{1,60})>")
TAG = re.compile(
    r"</v>|</?(?:[ibuc]|font|lang|ruby|rt)\b[^<>]*>|\{\\an?\d\}|<\d[\d:.]*>", re.IGNORECASE
)


def are_subtitles(lines: Sequence[str]) -> bool:
    found = (line for line in lines[:SAMPLE] if CUE.fullmatch(line))
    return len([*islice(found, FEWEST)]) == FEWEST


def plain_lines(lines: Sequence[str]) -> list[str]:
    """Just as many plain lines: a cue's time to the second, and nothing where no text is."""
    return [*_plain_lines(lines)]


def _plain_lines(lines: Sequence[str]) -> Iterator[str]:
    is_block = False
    for at, line in enumerate(lines):
        follows_gap = at == 0 or not lines[at - 1].strip()
        is_block = (is_block and bool(line.strip())) or (
            follows_gap and BLOCK.fullmatch(line) is not None
        )
        is_id = at + 1 < len(lines) and NAMED.fullmatch(line.strip()) and CUE.match(lines[at + 1])
        if match := CUE.fullmatch(line):
            is_block = False
            yield " --> ".join(map(_to_seconds, match.groups()))
        elif is_block or (is_id and (follows_gap or line.strip().isdigit())):
            yield ""
        else:
            yield html.unescape(TAG.sub("", line))


def _to_seconds(clock: str) -> str:
    return ":".join(f"{int(part):02}" for part in f"0:{clock}".split(":")[-3:])
