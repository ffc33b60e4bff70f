import pytest

from serving.nearest import LONGEST, nearest

NAMES = ["bike", "中医", "style.v2", "smollm2-135m"]


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("Bike", "bike"),
        ("BIKE", "bike"),
        ("bikes", "bike"),
        ("bik", "bike"),
        ("bike@7", "bike"),
        ("bike/", "bike"),
        ("中医药", "中医"),
        ("stylev2", "style.v2"),
        ("SmolLM2-135M", "smollm2-135m"),
        ("openai/smollm2-135m", "smollm2-135m"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "smollm2-135m"),
        ("smollm2-135m:bike", "bike"),
        ("smollm2-135m:nobody", "smollm2-135m"),
    ],
)
def test_a_name_written_otherwise_is_found(asked: str, meant: str):
    assert nearest(asked, NAMES) == meant


@pytest.mark.parametrize("asked", ["", "/", "gpt-4o", "西医科", "bike", "b" * (LONGEST + 1)])
def test_another_name_is_no_guess(asked: str):
    assert nearest(asked, NAMES) is None


def test_where_there_are_no_names_none_is_near():
    assert nearest("bike", []) is None
