"""The process that checks: it ends in time and in its memory, and takes nobody else along."""

import asyncio
import gzip
import json
import sys
import zipfile
from pathlib import Path

import pytest

from data.wording import Language
from service.files.check_process import run_check
from service.files.check_report import CheckReport
from tests.data.reading.excel import write_xlsx

MUCH = 1 << 30  # [bytes] of memory
LITTLE = 192 << 20

only_where_limits_hold = pytest.mark.skipif(
    sys.platform != "linux", reason="memory is limited on Linux alone"
)


def check(
    path: Path, memory: int = MUCH, seconds: int = 60, language: Language = "en"
) -> CheckReport:
    return asyncio.run(run_check(path, language, memory, seconds))


def assert_failed(report: CheckReport, path: Path, told: str) -> None:
    assert (report.status, report.num_conversations) == ("error", None)
    assert told in (report.details or "")
    assert (report.details or "").startswith(f"{path.name}: ")
    assert str(path.parent) not in report.model_dump_json()


def test_a_file_is_checked_in_the_language_that_is_asked_for(tmp_path: Path):
    path = tmp_path / "中 医.txt"
    path.write_bytes("问：头痛？\n答：休息。\n问：没有回答？\n".encode("gb18030"))
    english, chinese = check(path), check(path, language="zh")
    assert english.num_faults == chinese.num_faults == 1
    assert english.faults[0].line == chinese.faults[0].line == 3
    assert "expected" in english.faults[0].message
    assert "要求" in chinese.faults[0].message


def test_modules_never_come_from_the_folder_of_the_file(tmp_path: Path):
    for name in ("json.py", "data.py", "service.py", "csv.py"):
        (tmp_path / name).write_text("raise SystemExit(9)")
    path = tmp_path / "a.csv"
    path.write_text("question,answer\na,b\n")
    assert check(path).status == "processed"


@only_where_limits_hold
def test_a_line_that_unpacks_without_end_takes_no_more_memory_than_it_may(tmp_path: Path):
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(256):
            file.write(b"x" * (1 << 20))
    assert path.stat().st_size < 2 << 20
    assert_failed(check(path, LITTLE), path, "more memory than the 201 MB")


@only_where_limits_hold
def test_a_workbook_that_bursts_takes_no_more_memory_than_it_may(tmp_path: Path):
    path, bomb = tmp_path / "right.xlsx", tmp_path / "bomb.xlsx"
    write_xlsx(path, {"1": [["question", "answer"], ["a", "b"]]})
    row = b"<row><c t='inlineStr'><is><t>aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa</t></is></c></row>"
    with zipfile.ZipFile(path) as right, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as new:
        for name in right.namelist():
            content = right.read(name)
            if name.endswith("sheet1.xml"):
                content = content.replace(b"</sheetData>", row * 3_000_000 + b"</sheetData>")
            new.writestr(name, content)
    assert bomb.stat().st_size < 2 << 20
    assert_failed(check(bomb, LITTLE), bomb, "more memory than")


def long_file(folder: Path) -> Path:
    path = folder / "long.jsonl"
    row = {"messages": [{"role": r, "content": "word " * 200} for r in ("user", "assistant")]}
    path.write_text(f"{json.dumps(row)}\n" * 20_000)
    return path


def test_a_file_that_takes_long_is_given_up(tmp_path: Path):
    path = long_file(tmp_path)
    assert_failed(check(path, seconds=1), path, "longer than the 1 seconds")


def test_a_check_that_has_computed_for_its_time_is_not_taken_for_one_without_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def no_timeout(_seconds: float) -> asyncio.Timeout:
        return asyncio.timeout_at(None)

    monkeypatch.setattr("service.files.check_process.asyncio.timeout", no_timeout)
    path = long_file(tmp_path)
    assert_failed(check(path, seconds=1), path, "longer than the 1 seconds")


def test_a_report_is_read_up_to_what_a_server_takes(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("question,answer\na,b\n")
    report = asyncio.run(run_check(path, "en", MUCH, 60, most=10))
    assert_failed(report, path, "the server's log says more")


def test_a_preview_that_is_too_large_is_left_out(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    turns = [{"role": r, "content": "信" * 4000} for r in ("user", "assistant")] * 20
    path.write_text(json.dumps({"messages": turns}))
    report = check(path)
    assert (report.status, report.num_conversations) == ("processed", 1)
    assert (report.preview, report.preview_left_out) == ([], True)


def test_a_file_that_went_meanwhile_is_one_that_cannot_be_read(tmp_path: Path):
    path = tmp_path / "gone.jsonl"
    assert_failed(check(path), path, "the server's log says more")
