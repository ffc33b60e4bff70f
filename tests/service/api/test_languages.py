"""Which language an Accept-Language asks for."""

import pytest

from service.api.languages import preferred_language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("*", "en"),
        ("zh", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("ZH-Hant-TW", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("fr, zh;q=0.3", "zh"),
        ("de-DE", "en"),
        ("zh;q=0.5,en;q=0.8", "en"),
        ("zh;q=0", "en"),
        ("zh;q=nan", "en"),
        ("zh;q=9", "en"),
        ("zh;q=x;;,", "en"),
        ("zhx", "en"),
        ("x," * 5_000 + "zh", "en"),
    ],
)
def test_the_one_with_the_largest_weight_counts(header: str, language: str):
    assert preferred_language(header) == language
