"""Paragraphs and tables out of Word documents."""

import zipfile
from pathlib import Path
from typing import Any

import docx
import pytest

from data.conversation import Conversation, Item
from data.errors import Fault, UnreadableFile
from data.reading.documents.extra import needs
from data.reading.reader import ReadOptions, read_items
from tests.data.reading.items import conversations_of


def write(path: Path, *paragraphs: str) -> Any:
    document = docx.Document()
    for each in paragraphs:
        document.add_paragraph(each)
    document.save(str(path))
    return document


def add_table(document: Any, *rows: list[str]) -> Any:
    table = document.add_table(rows=len(rows), cols=len(rows[0]))
    for row, cells in zip(table.rows, rows, strict=True):
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    return table


def pairs(items: list[Item]) -> list[tuple[str, str]]:
    found = [each for each in items if isinstance(each, Conversation)]
    return [(each.messages[0].content, each.messages[1].content) for each in found]


def kinds(items: list[Item]) -> list[str]:
    return [each.kind for each in items if isinstance(each, Fault)]


def test_paragraphs_are_lines_of_a_dialogue(tmp_path: Path):
    write(
        tmp_path / "a.docx",
        "患者：头晕？",
        "医生：先量血压。\n再来。",
        "",
        "患者：辣？",
        "医生：少吃。",
    )
    first, second = conversations_of(read_items(tmp_path / "a.docx"))
    assert [each.content for each in first.messages] == ["头晕？", "先量血压。\n再来。"]
    assert (first.line, second.line) == (1, 4)


def test_speakers_may_be_named(tmp_path: Path):
    write(tmp_path / "a.docx", "甲：头晕？", "乙：先量血压。")
    options = ReadOptions(roles={"甲": "user", "乙": "assistant"})
    assert pairs(list(read_items(tmp_path / "a.docx", options))) == [("头晕？", "先量血压。")]


def test_headings_and_lines_in_bold_that_ask_are_questions(tmp_path: Path):
    document = docx.Document()
    document.add_heading("Workshop", 0)
    document.add_paragraph("Welcome.")
    document.add_heading("How do I oil the chain?", 2)
    document.add_paragraph("One drop per link.")
    document.add_heading("Is rust bad?", 2)
    document.add_paragraph("Yes.")
    document.save(str(tmp_path / "a.docx"))
    items = list(read_items(tmp_path / "a.docx"))
    assert pairs(items) == [
        ("How do I oil the chain?", "One drop per link."),
        ("Is rust bad?", "Yes."),
    ]
    assert kinds(items) == ["faq", "left out"]
    assert [each.line for each in items] == [3, 1, 3, 5]
    document = docx.Document()
    for question, answer in (("Is rust bad?", "Yes."), ("Can I wash it?", "Gently.")):
        document.add_paragraph().add_run(question).bold = True
        document.add_paragraph(answer)
    document.save(str(tmp_path / "b.docx"))
    assert pairs(list(read_items(tmp_path / "b.docx"))) == [
        ("Is rust bad?", "Yes."),
        ("Can I wash it?", "Gently."),
    ]


def test_a_table_is_read_as_one_and_the_text_around_it_left_out_by_name(tmp_path: Path):
    document = write(tmp_path / "a.docx", "内科问答", "")
    table = add_table(
        document,
        ["编号", "问题", "回答"],
        ["1", "胃胀？", "少食。"],
        ["", "", ""],
        ["2", "头晕？", "休息。"],
    )
    table.add_row()
    document.save(str(tmp_path / "a.docx"))
    options = ReadOptions(columns={"question": "问题", "answer": "回答", "id": "编号"})
    items = list(read_items(tmp_path / "a.docx", options))
    assert pairs(items) == [("胃胀？", "少食。"), ("头晕？", "休息。")]
    [fault] = [each for each in items if isinstance(each, Fault) and each.kind == "left out"]
    assert fault.seen.endswith("left out: line 1 '内科问答'")


def test_merged_cells_stand_in_each_of_their_rows(tmp_path: Path):
    document = docx.Document()
    table = add_table(document, ["问题", "回答"], ["胃胀？", "少食。"], ["", "忌生冷。"])
    table.cell(1, 0).merge(table.cell(2, 0))
    document.save(str(tmp_path / "a.docx"))
    assert pairs(list(read_items(tmp_path / "a.docx"))) == [
        ("胃胀？", "少食。"),
        ("胃胀？", "忌生冷。"),
    ]


def test_a_table_without_a_header_is_a_fault(tmp_path: Path):
    document = docx.Document()
    add_table(
        document,
        ["胃胀怎么办？", "少食。"],
        ["头晕怎么办？", "休息。"],
        ["可以吃辣吗？", "少吃为好。"],
    )
    document.save(str(tmp_path / "a.docx"))
    [fault] = read_items(tmp_path / "a.docx")
    assert isinstance(fault, Fault)
    assert "--map question=1,answer=2" in fault.expected


def test_a_document_without_text_is_a_fault(tmp_path: Path):
    write(tmp_path / "a.docx", " ", "")
    [fault] = read_items(tmp_path / "a.docx")
    assert isinstance(fault, Fault)
    assert "pictures of text are not read" in fault.expected


@pytest.mark.parametrize("content", [b"", b"<w:document", b"<a/>"])
def test_a_broken_document_is_unreadable(tmp_path: Path, content: bytes):
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as archive:
        archive.writestr("[Content_Types].xml", content)
        archive.writestr("word/document.xml", content)
    with pytest.raises(UnreadableFile, match="cannot be read as a Word document"):
        list(read_items(tmp_path / "a.docx"))


def test_a_missing_library_is_named_with_the_way_to_install_it():
    with (
        pytest.raises(UnreadableFile, match=r"needs python-docx.*'lora-chat\[documents\]'"),
        needs("python-docx", "a.docx"),
    ):
        raise ImportError("No module named 'docx'")
