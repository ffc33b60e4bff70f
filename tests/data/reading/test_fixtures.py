"""A corpus of small files, one for each format, encoding and trap, and what reading it gives."""

import re
from contextvars import Context
from pathlib import Path
from typing import Any

import pytest
import yaml

from data.conversation import Conversation
from data.errors import Fault, UnreadableFile
from data.reading.faulty import WAY_OUT
from data.reading.reader import ReadOptions, read_items
from data.wording import _, speak
from tests.data.reading.items import settled

FIXTURES = Path(__file__).parents[2] / "fixtures"
EXPECTED: dict[str, dict[str, Any]] = yaml.safe_load((FIXTURES / "expected.yaml").read_bytes())


def test_every_file_is_expected():
    files = {each.get("file", name) for name, each in EXPECTED.items()}
    others = {"expected.yaml", "personal"}
    assert {path.name for path in FIXTURES.iterdir()} == files | others
    assert len(EXPECTED) >= 40


@pytest.mark.parametrize("name", EXPECTED)
def test_a_file_reads_as_it_should(name: str):
    expected = EXPECTED[name]
    path = FIXTURES / expected.get("file", name)
    options = ReadOptions(**expected.get("options", {}))
    if "unreadable" in expected:
        with pytest.raises(UnreadableFile) as caught:
            list(read_items(path, options))
        assert re.search(expected["unreadable"], str(caught.value))
        return
    items = settled(read_items(path, options))
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


def test_all_that_is_wrong_with_them_is_said_in_chinese_too():
    def said() -> list[str]:
        speak("zh")
        return [
            text
            for name, expected in EXPECTED.items()
            if "unreadable" not in expected
            for item in read_items(
                FIXTURES / expected.get("file", name), ReadOptions(**expected.get("options", {}))
            )
            if isinstance(item, Fault)
            for text in (item.expected, _(item.kind) if item.kind != WAY_OUT else item.seen)
        ]

    texts = Context().run(said)
    assert len(texts) > 100
    assert [text for text in texts if not re.search("[\u4e00-\u9fff]", text)] == []
