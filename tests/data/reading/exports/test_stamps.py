"""Dates and clocks."""

import re
from itertools import pairwise

import pytest

from data.reading.exports.stamps import STAMP, in_seconds, stamp_of


def gaps(*texts: str) -> list[int]:
    """[min] between the stamps"""
    matches = [re.fullmatch(STAMP, text, re.IGNORECASE) for text in texts]
    seconds = in_seconds([stamp_of(match) for match in matches if match])
    assert len(seconds) == len(texts)
    return [(after - before) // 60 for before, after in pairwise(seconds)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("12/1/24, 11:58 PM", "12/2/24, 12:03 AM"),
        ("1/12/24, 11:58 p. m.", "2/12/24, 12:03 a. m."),
        ("2024/12/1 下午11:58", "2024/12/2 上午12:03"),
        ("24. 12. 1. 오후 11:58", "24. 12. 2. 오전 12:03"),
        ("31.12.2023 23:58:00", "1.1.2024 0:03:00"),
        ("2023-12-31T23:58:00Z", "2024-01-01T00:03:00Z"),
        ("28.02.24 klo 23.58", "29.02.24 klo 0.03"),
        ("23:58", "0:03"),
    ],
)
def test_what_stands_first_in_a_date_is_found_from_the_file(one: str, other: str):
    assert gaps(one, other) == [5]


def test_dates_that_can_be_read_in_two_ways_are_read_so_that_least_time_passes():
    assert gaps("1/2/24 10:00", "1/3/24 10:00", "1/4/24 10:00") == [24 * 60] * 2
    assert gaps("1/2/24 10:00", "2/2/24 10:00", "3/2/24 10:00") == [24 * 60] * 2


def test_a_clock_without_a_date_goes_on_the_next_day():
    assert gaps("9:00 PM", "11:00 PM", "1:00 AM", "10:00 PM") == [120, 120, 21 * 60]


@pytest.mark.parametrize(
    "texts", [("00:12", "59:58"), ("10:00", "59:58"), ("10:00", "59:58", "01:00:05")]
)
def test_pairs_of_a_recording_are_minutes_and_seconds(texts: tuple[str, ...]):
    assert max(gaps(*texts)) < 60


def test_what_is_no_date_makes_no_pause():
    assert gaps("99/99/99 10:00", "99/99/99 23:00") == [0]
