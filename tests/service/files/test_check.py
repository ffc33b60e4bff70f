"""What a check says of a file: faults with their lines, findings, and what would be trained."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.wording import speak
from service.files.check import (
    LONGEST_TEXT,
    MOST_ENTRIES,
    MOST_FAULTS,
    MOST_IN_DETAILS,
    MOST_PRINTED,
    check_file,
    printed,
)
from service.files.check_report import CheckReport, Finding, ToldFault
from tests.data.reading.excel import write_xlsx

DIALOGUE = "问：失眠怎么办？\n答：早睡。\n\n问：头痛呢？\n答：休息。\n"
TOOL = {"type": "function", "function": {"name": "free_hours", "parameters": {}}}
CALL = {"type": "function", "id": "c1", "function": {"name": "free_hours", "arguments": "{}"}}

Check = Callable[[str, bytes], CheckReport]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """The report of a file with this name and content."""
    monkeypatch.chdir(tmp_path)

    def look(name: str, content: bytes) -> CheckReport:
        (tmp_path / name).write_bytes(content)
        return check_file(name)

    return look


def lines(*rows: Any) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def chat(*turns: tuple[str, str], **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": r, "content": c} for r, c in turns], **fields}


def test_openais_lines_are_shown_as_they_are_trained(check: Check):
    first = chat(("user", "Hi"), ("assistant", "No."), ("user", "Hours?"))
    first["messages"][1]["weight"] = 0
    first["messages"] += [
        {"role": "assistant", "content": None, "tool_calls": [CALL], "weight": 1},
        {"role": "tool", "content": "9", "tool_call_id": "c1"},
        {"role": "assistant", "content": "At nine."},
    ]
    row = {**first, "tools": [TOOL], "parallel_tool_calls": False}
    report = check("a.jsonl", lines(row, row, chat(("user", "a"), ("assistant", "b"))))
    assert (report.status, report.num_conversations) == ("processed", 3)
    assert report.details is None
    shown = report.preview[0]
    assert shown.tools == [TOOL]
    assert [each.trained for each in shown.messages] == [False, False, False, True, False, True]
    assert shown.messages[3].tool_calls[0]["function"]["name"] == "free_hours"
    assert [each.line for each in report.preview] == [1, 2, 3]
    [duplicate] = [each for each in report.findings if each.kind == "duplicate"]
    assert (duplicate.severity, duplicate.count, duplicate.examples[0].line) == ("warning", 1, 2)


def test_a_row_of_preferences_is_read(check: Check):
    row = {
        "input": {"messages": [{"role": "user", "content": "a"}]},
        "preferred_output": [{"role": "assistant", "content": "b"}],
        "non_preferred_output": [{"role": "assistant", "content": "c"}],
    }
    report = check("a.jsonl", lines(row))
    assert [each.content for each in report.preview[0].messages] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", DIALOGUE.encode("gb18030")),
        ("a.txt.gz", gzip.compress(DIALOGUE.encode("gb18030"), mtime=0)),
        ("a.csv", "问题,答案\n失眠怎么办？,早睡。\n头痛呢？,休息。\n".encode("gb18030")),
    ],
)
def test_what_people_have_is_read(check: Check, name: str, content: bytes):
    report = check(name, content)
    assert (report.status, report.num_conversations) == ("processed", 2)
    assert report.preview[0].messages[1].content == "早睡。"


def test_a_workbook_is_read(check: Check, tmp_path: Path):
    write_xlsx(tmp_path / "b.xlsx", {"1": [["question", "answer"], ["a", "b"], ["c", ""]]})
    report = check("a.xlsx", (tmp_path / "b.xlsx").read_bytes())
    assert (report.status, report.num_conversations) == ("error", 1)
    assert report.details == (
        "a.xlsx: faults in the data: 1\na.xlsx:3: answer: an empty turn; expected text"
    )


def test_faults_have_their_lines_and_nothing_of_the_servers_folders(check: Check, tmp_path: Path):
    bad = chat(("user", "Hi"))
    report = check("a.jsonl", lines(chat(("user", "a"), ("assistant", "b")), bad) + b"\n{")
    assert [(each.source, each.line) for each in report.faults] == [("a.jsonl", 2), ("a.jsonl", 3)]
    assert report.faults[0].message == "user; expected an assistant turn"
    assert (report.status, report.num_faults) == ("error", 2)
    assert str(tmp_path) not in report.model_dump_json()


def test_many_faults_are_counted_and_the_first_are_told(check: Check):
    report = check("a.jsonl", lines(*[{"x": 1}] * 1500))
    assert report.num_faults == 1500
    assert len(report.faults) == MOST_FAULTS
    assert report.details is not None
    first, *told, last = report.details.split("\n")
    assert first == "a.jsonl: faults in the data: 1500"
    assert len(told) == MOST_IN_DETAILS
    assert last == "… and 1,480 more"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", b"", "is empty"),
        ("a.exe", b"MZ", "cannot read '.exe'"),
        ("a.zip", b"PK\x03\x04", "unpack it first"),
        ("a.txt", bytes(range(256)) * 50, "looks like binary data"),
        ("a.xlsx", b"PK\x03\x04" + bytes(100), "expected an Excel workbook"),
        ("a.jsonl.gz", b"\x1f\x8b\x08nonsense", "pack it anew"),
        ("a.parquet", b"PAR1" + bytes(100), ""),
        ("a.docx", b"PK\x03\x04" + bytes(100), ""),
        ("a.pdf", b"%PDF-1.4\n", ""),
    ],
)
def test_what_cannot_be_read_says_why(
    check: Check, tmp_path: Path, name: str, content: bytes, told: str
):
    report = check(name, content)
    assert report.status == "error"
    assert told in (report.details or "")
    assert report.faults
    assert str(tmp_path) not in report.model_dump_json()


def test_texts_without_end_and_without_sense_are_cut_and_mended(check: Check):
    long = "x" * (LONGEST_TEXT + 1)
    halved = chat(("user", "\ud800"), ("assistant", "b"), **{"x\ud800\0": 1})
    report = check("a.jsonl", lines(chat(("user", "a\0"), ("assistant", long)), halved))
    assert CheckReport.model_validate_json(report.model_dump_json()) == report
    [shown] = report.preview
    assert shown.messages[1].content == "x" * LONGEST_TEXT + "…"
    assert "\0" not in report.model_dump_json()


def test_tools_without_end_are_cut(check: Check):
    kinds = {f"k{number}": {"type": "string"} for number in range(MOST_ENTRIES + 9)}
    tool = {"type": "function", "function": {"name": "x", "parameters": {"properties": kinds}}}
    asked = {"role": "assistant", "content": None, "tool_calls": [CALL] * (MOST_ENTRIES + 9)}
    row = chat(("user", "a"), tools=[tool] * (MOST_ENTRIES + 9))
    row["messages"].append(asked)
    [shown] = check("a.jsonl", lines(row)).preview
    assert len(shown.tools) == len(shown.messages[1].tool_calls) == MOST_ENTRIES
    assert len(shown.tools[0]["function"]["parameters"]["properties"]) == MOST_ENTRIES


def test_a_report_without_end_tells_the_first_faults_alone():
    fault = ToldFault(source="\1" * 300, line=1, field="\1" * 300, message="\1" * 300)
    report = CheckReport(
        num_conversations=1,
        num_faults=500,
        faults=[fault] * MOST_FAULTS,
        findings=[Finding(severity="error", kind="x", title="x", count=9, examples=[fault] * 3)],
        preview=[],
        details="x",
    )
    content = printed(report)
    told = CheckReport.model_validate_json(content)
    assert len(content) <= MOST_PRINTED < len(report.model_dump_json())
    assert (told.num_faults, len(told.faults), told.findings[0].count) == (500, MOST_IN_DETAILS, 9)
    assert told.preview_left_out


def test_everything_is_said_in_the_language_that_is_spoken(check: Check):
    speak("zh")
    report = check("a.jsonl", lines(*[chat(("user", "a"), ("assistant", "b"))] * 2, {"x": 1}))
    assert report.details is not None
    assert report.details.startswith("a.jsonl: 数据有 1 处错误")
    assert {each.kind: each.title for each in report.findings}["duplicate"] == "重复"
