"""A corpus of small files, one for each format, encoding and trap, and what reading it gives."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from data import Conversation, Fault, UnreadableFile, read_items

FIXTURES = Path(__file__).parents[2] / "fixtures"
EXPECTED: dict[str, dict[str, Any]] = yaml.safe_load((FIXTURES / "expected.yaml").read_bytes())


def test_every_file_is_expected():
    assert {path.name for path in FIXTURES.iterdir()} == {*EXPECTED, "expected.yaml", "personal"}
    assert len(EXPECTED) >= 40


@pytest.mark.parametrize("name", EXPECTED)
def test_a_file_reads_as_it_should(name: str):
    expected = EXPECTED[name]
    if "unreadable" in expected:
        with pytest.raises(UnreadableFile) as caught:
            list(read_items(FIXTURES / name))
        assert re.search(expected["unreadable"], str(caught.value))
        return
    items = list(read_items(FIXTURES / name))
    read = [
        [[each.role, each.content] for each in item.messages]
        for item in items
        if isinstance(item, Conversation)
    ]
    faults = [
        f"{item.line} {item.field} {item.severity}" for item in items if isinstance(item, Fault)
    ]
    assert read == expected["conversations"]
    assert faults == expected.get("faults", [])
