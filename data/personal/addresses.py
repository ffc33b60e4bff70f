"""Addresses, Chinese and English."""

from .chinese_addresses import find_addresses as find_chinese
from .english_addresses import find_addresses as find_english
from .kind import Kind, Spans
from .signs import Signs

SIGNS = Signs(
    "单元|地址|住址|户籍|家住|住在|家在|搬到|寄到|寄往|寄至|发到|发往|送到|送至|村|屯|寨|Box|APO|FPO|DPO",
    (
        r"[号號弄巷座栋幢室组队社](?<=[0-9０-９一二三四五六七八九十A-Za-z\s].)",
        r"[区园寓苑村城居都邸府馆舍院庭湾里墅期][\sA-Z]?[0-9]",
        "[区區县縣市旗].{1,8}[路街巷道里]",
        r"[0-9][A-Z]? (?:[A-Z]|\d+[snrt])",
    ),
)


def _find(text: str) -> Spans:
    yield from find_chinese(text)
    yield from find_english(text)


ADDRESS = Kind("address", "地址", SIGNS, _find)
