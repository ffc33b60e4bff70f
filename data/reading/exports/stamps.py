"""When a message was written: dates and clocks as chat programs write them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise

HOUR = 60 * 60  # [s]
DAY = 24 * HOUR
BACK = 60  # [s]; a clock without a date that goes back further is one of the next day
LEAP = 2000  # a year that has all days
ORDERS = ("dmy", "mdy", "ymd")

MARKS = (  # invisible ones
    "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)
SPACES = " \t\n\r\x0b\x0c\x85\xa0\u2002\u2003\u2009\u200a\u202f\u3000"
LEAD = rf"[{MARKS}\s]*+"
M = rf"[{MARKS}]*+"  # Arabic and Hebrew have them between numbers
MORNING = ("凌晨", "早上", "上午", "午前", "오전")
EVENING = ("下午", "傍晚", "晚上", "午後", "오후")
HALF = f"(?:{'|'.join((*MORNING, *EVENING, '中午'))})"
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH = rf"(?:{'|'.join(MONTHS)})[a-z]{{0,6}}\.?"
WEEKDAY = (
    r"(?:[(（]?(?:(?:星期|周|週|礼拜|(?<=[(（]))[一二三四五六日天]|[月火水木金土日](?:曜日?)?"
    r"|[월화수목금토일]요일|(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?)[)）]?[,，]?\s*)?"
)
DATE = (
    rf"(?:(?P<one>\d{{1,4}}){M}\s?[-./年년月월]\s?(?P<two>\d{{1,2}}){M}"
    rf"(?:\s?[-./月월]\s?[RHS]?(?P<three>\d{{1,4}})(?:\sBE)?)?[.日일]?"
    rf"|(?P<named>{MONTH}\s\d{{1,2}}(?:,?\s\d{{4}})?|\d{{1,2}}\.?\s{MONTH}(?:,?\s\d{{4}})?))"
)
JOINT = rf"{M}(?:[,，،.T\s]\s*|(?=[^\W\d])){WEEKDAY}(?:(?:klo|kl\.?|à|às|um|at|alle)\s+)?"
CLOCK = (
    rf"(?:(?P<half>{HALF})\s*)?"
    r"(?P<hour>\d{1,3})[:：.](?P<minute>[0-5٠-٥]\d)(?:[:：.](?P<second>[0-5٠-٥]\d))?(?:[.,]\d{1,3})?"
    r"(?:\s*(?P<noon>[ap]\.?\s?m(?![a-z])\.?|[صم](?!\w)))?+(?:\s?Uhr)?+(?:Z|[+-]\d\d:?\d\d)?"
    rf"{M}(?!\d|[:：]\d\d)"
)
COLON = rf"(?=(?:{HALF}\s*)?\d{{1,3}}[:：])"  # a version has points, too
STAMP = rf"{M}(?:{WEEKDAY}{DATE}{JOINT}|{COLON}){CLOCK}"
TURNED = rf"{COLON}{CLOCK},\s{DATE}"  # of messages that were copied from WhatsApp
END = r"(?:\s*(?:-->|[-–—~至])\s*\d{1,3}[:：][0-5]\d(?:[:：][0-5]\d)?(?:[.,]\d{1,3})?)?"
DATE_LINE = re.compile(rf"{LEAD}[-–—=\s]*{WEEKDAY}{DATE}\s*{WEEKDAY}[-–—=\s]*", re.IGNORECASE)
NAMED = re.compile(rf"(?P<month>{MONTH})|(?P<year>\d{{4}})|(?P<day>\d{{1,2}})", re.IGNORECASE)

Numbers = tuple[int, int, int | None]  # of a date as it is written


@dataclass(frozen=True, slots=True)
class Stamp:
    date: Numbers | None
    clock: int  # [s] since midnight
    is_pair: bool = False  # two numbers alone: hours and minutes, or minutes and seconds


def date_of(match: re.Match[str]) -> Numbers | None:
    if match["named"]:
        return _named(match["named"])
    if match["one"] is None:
        return None
    return int(match["one"]), int(match["two"]), int(match["three"]) if match["three"] else None


def _named(text: str) -> Numbers:
    """The year first: so its numbers can be read in one way alone."""
    found = {part.lastgroup: part[0] for part in NAMED.finditer(text)}
    month = MONTHS.index(found["month"][:3].lower()) + 1
    return int(found.get("year", LEAP)), month, int(found["day"])


def stamp_of(match: re.Match[str]) -> Stamp:
    """The stamp of a match with the groups of a clock and a date."""
    hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
    noon = (match["noon"] or "")[:1].lower()
    if hour < 12 and (noon in ("p", "م") or match["half"] in EVENING):
        hour += 12
    elif hour == 12 and (noon in ("a", "ص") or match["half"] in MORNING):
        hour = 0
    clock = hour * HOUR + minute * 60 + second
    return Stamp(date_of(match), clock, not (match["second"] or noon or match["half"]))


def in_seconds(stamps: Sequence[Stamp]) -> list[int]:
    """The stamps in seconds, on one scale. A date's numbers are in the order that makes the least
    time of all."""
    dates = [stamp.date for stamp in stamps if stamp.date]
    if not dates:
        return _without_dates(stamps)
    last = dates[0]
    dated: list[tuple[Numbers, int]] = []
    for stamp in stamps:
        last = stamp.date or last
        dated.append((last, stamp.clock))
    read = [seconds for order in ORDERS if (seconds := _in_order(dated, order))]
    return min(read, key=_total, default=[0] * len(stamps))


def _without_dates(stamps: Sequence[Stamp]) -> list[int]:
    is_recording = _is_recording(stamps)
    seconds: list[int] = []
    days = 0
    for stamp in stamps:
        clock = stamp.clock // 60 if is_recording and stamp.is_pair else stamp.clock
        if seconds and clock + days * DAY < seconds[-1] - BACK:
            days += 1
        seconds.append(clock + days * DAY)
    return seconds


def _is_recording(stamps: Sequence[Stamp]) -> bool:
    """Whether pairs are minutes and seconds: from near zero, past 24, or with hours before some."""
    pairs = [stamp.clock for stamp in stamps if stamp.is_pair]
    begins = bool(stamps) and stamps[0].clock < HOUR
    return bool(pairs) and (begins or max(pairs) >= DAY or len(pairs) < len(stamps))


def _in_order(dated: Sequence[tuple[Numbers, int]], order: str) -> list[int] | None:
    try:
        return [_day(numbers, order) * DAY + clock for numbers, clock in dated]
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _day(numbers: Numbers, order: str) -> int:
    """Raises ValueError for what is no date."""
    one, two, three = numbers
    if three is None:
        month, day = (two, one) if order == "dmy" else (one, two)
        return date(LEAP, month, day).toordinal()
    letters = dict(zip(order, (one, two, three), strict=True))
    year = letters["y"] + (2000 if letters["y"] < 100 else 0)
    return date(year, letters["m"], letters["d"]).toordinal()


def _total(seconds: Sequence[int]) -> int:
    return sum(abs(after - before) for before, after in pairwise(seconds))
