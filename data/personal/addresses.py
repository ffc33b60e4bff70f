"""Addresses, Chinese and English."""

from .chinese_addresses import find_addresses as find_chinese
from .english_addresses import find_addresses as find_english
from .kind import Kind, Spans


def _find(text: str) -> Spans:
    yield from find_chinese(text)
    yield from find_english(text)


ADDRESS = Kind("address", "地址", _find)
