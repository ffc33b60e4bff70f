"""Errors carry what they know as fields: nobody cuts names or paths out of finished sentences."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("data", "finetune", "serving", "service")
CUTS = {"replace", "removeprefix", "removesuffix", "partition", "rpartition", "sub", "fullmatch"}


def cuts_in(source: str | bytes) -> Iterator[int]:
    """The lines in which an error's sentence, `str(error)`, is cut."""
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            operands = [call.func.value, *call.args]
            if call.func.attr in CUTS and "str(error)" in map(ast.unparse, operands):
                yield call.lineno


@pytest.mark.parametrize("room", ROOMS)
def test_no_sentence_of_an_error_is_cut(room: str):
    found = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / room).rglob("*.py")
        if (lines := [*cuts_in(path.read_bytes())])
    }
    assert found == {}


@pytest.mark.parametrize(
    "cut", ["str(error).replace(a, b)", "re.sub(a, b, str(error))", "str(error).partition(':')[2]"]
)
def test_a_cut_is_seen(cut: str):
    assert [*cuts_in(f"try:\n    pass\nexcept ValueError as error:\n    {cut}")] == [4]
