"""Addresses, Chinese and English."""

import re

from .chinese_addresses import find_addresses as find_chinese
from .english_addresses import find_addresses as find_english
from .kind import Kind, Spans

WORDS = "单元|地址|住址|户籍|家住|寄到|寄往|送到|村|屯|寨|Box|APO|FPO|DPO"
SIGNS = (
    re.compile(r"[号弄巷座栋幢室组队社](?<=[0-9０-９一二三四五六七八九十A-Za-z\s].)"),
    re.compile(r"[区园寓苑村城居都邸府馆舍院庭湾里墅期][\sA-Z]?[0-9]"),
    re.compile(r"[0-9][A-Z]? (?:[A-Z]|\d+[snrt])"),
)


def _find(text: str) -> Spans:
    yield from find_chinese(text)
    yield from find_english(text)


ADDRESS = Kind("address", "地址", WORDS, SIGNS, _find)
