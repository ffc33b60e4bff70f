"""Names of people, Chinese and English."""

from . import chinese_names, english_names
from .kind import Kind, Spans


def _find(text: str) -> Spans:
    yield from chinese_names.find_names(text)
    yield from english_names.find_names(text)


NAME = Kind("name", "姓名", _find)
