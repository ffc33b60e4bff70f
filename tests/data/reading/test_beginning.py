"""Which language is spoken of files, before they are read."""

import gzip
from contextvars import Context
from pathlib import Path

import docx
import pytest

from data.reading.beginning import BEGINNING, speak_like_files
from data.wording import language
from tests.data.reading.excel import write_xlsx

QUESTION, ANSWER = "可以吃辣吗？", "少吃为好，忌生冷油腻。"
DIALOGUE = f"问：{QUESTION}\n答：{ANSWER}\n"


def spoken(*paths: Path | str) -> str:
    def speak() -> str:
        speak_like_files([*paths])
        return language()

    return Context().run(speak)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "big5", "utf-16"])
def test_chinese_in_any_encoding(tmp_path: Path, encoding: str):
    (tmp_path / "a.txt").write_bytes(("問：有紅景天嗎？\n答：有。\n" * 9).encode(encoding))
    assert spoken(tmp_path / "a.txt") == "zh"


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_long_file_is_not_cut_within_a_character(tmp_path: Path, encoding: str):
    text = "a" + DIALOGUE * (BEGINNING // 20)
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    assert spoken(tmp_path / "a.txt") == "zh"


def test_fields_in_english_and_texts_in_chinese(tmp_path: Path):
    row = f'{{"messages": [{{"role": "user", "content": "{QUESTION * 4}"}}]}}\n'
    (tmp_path / "a.jsonl").write_text(row, encoding="utf-8")
    assert spoken(tmp_path / "a.jsonl") == "zh"


def test_office_files(tmp_path: Path):
    rows = [["question", "answer"], [QUESTION, ANSWER]]
    write_xlsx(tmp_path / "a.xlsx", {"S": rows})
    document = docx.Document()
    document.add_paragraph(DIALOGUE)
    document.save(str(tmp_path / "a.docx"))
    for name in ("a.xlsx", "a.docx"):
        assert spoken(tmp_path / name) == "zh"


def test_packed_files_and_folders(tmp_path: Path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(DIALOGUE.encode()))
    assert spoken(tmp_path / "a.txt.gz") == "zh"
    assert spoken(tmp_path) == "zh"


def test_most_of_the_letters_decide(tmp_path: Path):
    english, chinese = tmp_path / "a.txt", tmp_path / "b.txt"
    english.write_text("Q: How often do I oil the chain?\nA: Every 200 km.\n" * 9)
    chinese.write_text(DIALOGUE, encoding="utf-8")
    assert spoken(english) == "en"
    assert spoken(english, chinese) == "en"


def test_nothing_is_said_of_what_cannot_be_read(tmp_path: Path):
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04 broken")
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(DIALOGUE.encode())[:20])
    (tmp_path / "a.txt").write_bytes(bytes(range(256)))
    for path in (*tmp_path.iterdir(), tmp_path / "none.txt", "-", "hf:owner/name"):
        assert spoken(path) == "en"
