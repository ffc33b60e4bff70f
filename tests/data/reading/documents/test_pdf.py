"""Text out of PDF documents."""

from pathlib import Path

import pytest

from data.conversation import Conversation
from data.errors import Fault, UnreadableFile
from data.reading.reader import ReadOptions, read_items
from tests.data.reading.documents.pdf_file import write_pdf
from tests.data.reading.items import conversations_of


def turns(path: Path, **roles: str) -> list[list[str]]:
    options = ReadOptions(roles=roles)  # pyright: ignore[reportArgumentType] - roles by name
    return [
        [m.content for m in each.messages] for each in conversations_of(read_items(path, options))
    ]


def test_role_words_begin_turns_as_in_a_text_file(tmp_path: Path):
    lines = [
        "患者：我头晕怎么办？",
        "医生：先量血压。",
        "",
        "患者：可以吃辣吗？",
        "医生：少吃为好。",
    ]
    write_pdf(tmp_path / "a.pdf", [lines])
    assert turns(tmp_path / "a.pdf") == [
        ["我头晕怎么办？", "先量血压。"],
        ["可以吃辣吗？", "少吃为好。"],
    ]


def test_lines_that_the_page_broke_are_one_again(tmp_path: Path):
    lines = [
        "Q: How often do I have to oil the chain when it",
        "rains every day?",
        "A: Every 200 km, or whenever it begins to sound",
        "dry, whatever comes first.",
        "- Wipe it.",
        "- Oil it.",
    ]
    write_pdf(tmp_path / "a.pdf", [lines])
    assert turns(tmp_path / "a.pdf") == [
        [
            "How often do I have to oil the chain when it rains every day?",
            "Every 200 km, or whenever it begins to sound dry, whatever comes first.\n"
            "- Wipe it.\n- Oil it.",
        ]
    ]


def test_an_answer_goes_on_behind_a_page_s_number(tmp_path: Path):
    write_pdf(tmp_path / "a.pdf", [["Q: Why?", "A: So.", "", "1"], ["And so.", "", "- 2 -"]])
    left_out, conversation = read_items(tmp_path / "a.pdf")
    assert isinstance(conversation, Conversation)
    assert (conversation.line, conversation.messages[1].content) == (1, "So.\n\nAnd so.")
    assert "2 lines that belong to no question, left out: line 1 '1', line 2 '- 2 -'" in str(
        left_out
    )


def test_what_stands_on_most_pages_is_in_no_answer(tmp_path: Path):
    first, last = (
        ["The Workshop", "", "Q: Why?", "A: So.", "page 7 of 9"],
        ["And more.", "page 9 of 9"],
    )
    write_pdf(tmp_path / "a.pdf", [first, ["The Workshop", "And so.", "page 8 of 9"], last])
    left_out, conversation = read_items(tmp_path / "a.pdf")
    assert isinstance(conversation, Conversation)
    assert conversation.messages[1].content == "So.\nAnd so.\nAnd more."
    assert "5 lines that belong to no question" in str(left_out)


def test_places_are_pages(tmp_path: Path):
    pages = [["Q: a", "A: b", ""], ["Q: c", ""], ["Q: d", "A: e"]]
    write_pdf(tmp_path / "a.pdf", pages)
    faults = [each for each in read_items(tmp_path / "a.pdf") if isinstance(each, Fault)]
    assert {each.line for each in faults if each.severity == "error"} == {2}


def test_an_faq_is_read_by_its_blocks(tmp_path: Path):
    write_pdf(tmp_path / "a.pdf", [["1. Is rust bad?", "Yes.", "", "2. Can I wash it?", "Gently."]])
    read = [each for each in read_items(tmp_path / "a.pdf") if isinstance(each, Conversation)]
    assert [each.messages[0].content for each in read] == ["Is rust bad?", "Can I wash it?"]


def test_scanned_pages_are_named(tmp_path: Path):
    write_pdf(tmp_path / "a.pdf", [[], []])
    with pytest.raises(UnreadableFile, match=r"no text on 2 pages.*scanned.*ocrmypdf"):
        list(read_items(tmp_path / "a.pdf"))
    write_pdf(tmp_path / "b.pdf", [["Q: a", "A: b"], [], []])
    warning, conversation = read_items(tmp_path / "b.pdf")
    assert isinstance(warning, Fault)
    assert (warning.severity, warning.seen) == ("warning", "2 of 3 pages without text: 2, 3")
    assert isinstance(conversation, Conversation)


@pytest.mark.parametrize(
    "raw", [b"%PDF-1.7\n", b"%PDF-1.4\ntrailer<</Root 1 0 R>>", b"%PDF-1.7\x00\xff" * 99]
)
def test_a_broken_document_is_unreadable(tmp_path: Path, raw: bytes):
    (tmp_path / "a.pdf").write_bytes(raw)
    with pytest.raises(UnreadableFile, match="cannot be read as a PDF"):
        list(read_items(tmp_path / "a.pdf"))


def test_a_document_with_a_password_is_named(tmp_path: Path):
    from pypdf import PdfWriter

    write_pdf(tmp_path / "a.pdf", [["Q: a", "A: b"]])
    writer = PdfWriter(clone_from=tmp_path / "a.pdf")
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(tmp_path / "b.pdf")
    with pytest.raises(UnreadableFile, match="needs a password"):
        list(read_items(tmp_path / "b.pdf"))
