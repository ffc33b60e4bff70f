"""Files that are not what their names say, and what is said of them."""

import gzip
import io
import pickle
import re
import tarfile
import zipfile
from pathlib import Path

import pytest

from data.errors import UnreadableFile
from data.reading.reader import read_items
from tests.data.reading.excel import write_xlsx

GOOD = "Q: How do I oil the chain?\nA: One drop per link.\n"
TEXT_NAMES = ("a.txt", "a.md", "a.jsonl", "a.json", "a.csv", "a.tsv", "a.yml")
BINARY_NAMES = ("a.xlsx", "a.parquet", "a.docx", "a.pdf")


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, GOOD)
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return file.getvalue()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1234567\n"
KINDS = {
    "lfs": (POINTER, r"a Git LFS pointer, in place of a file of 1,234,567 bytes.*git lfs pull"),
    "page": (
        b"\xef\xbb\xbf<!doctype html>\n<html><title> Not found",
        r"an HTML page with the title 'Not found'.*name it \.html",
    ),
    "bare page": (b"<!-- saved --><HTML>", "an HTML page, not .*download the file itself"),
    "gzip": (gzip.compress(b"x", mtime=0), r"packed with gzip.*name it \.gz"),
    "zip": (
        zipped("b/a.jsonl", "b/b.jsonl"),
        r"a zip archive of b/a\.jsonl, b/b\.jsonl.*unpack it",
    ),
    "broken zip": (zipped("a.txt")[:40], "cut short"),
    "old office": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        r"an old Office file, or one with a password.*save it as \.docx or \.xlsx",
    ),
    "rtf": (rb"{\rtf1\ansi", r"RTF.*save it as \.docx"),
    "pickle": (pickle.dumps([{"question": "a"}]), "a pickle of Python's.*loading runs code"),
    "old pickle": (pickle.dumps([{"question": "a"}], 2), "a pickle of Python's"),
    "bzip2": (b"BZh91AY&SY", "bzip2.*unpack it"),
    "7z": (b"7z\xbc\xaf'\x1c\x00", "a 7-Zip archive.*unpack it"),
    "tar": (tarred(), "a tar archive.*unpack it"),
    "sqlite": (b"SQLite format 3\x00", r"an SQLite database.*\.csv"),
    "png": (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    "libre office": (zipped("mimetype", "content.xml"), "an OpenDocument file.*save it as"),
}


# What is broken of its own kind, its reader says.
CASES = [
    (kind, name)
    for kind in KINDS
    for name in (*TEXT_NAMES, *BINARY_NAMES)
    if (kind, name) not in (("broken zip", "a.xlsx"), ("broken zip", "a.docx"))
]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_file_of_another_kind_is_named_with_what_to_do(tmp_path: Path, name: str, kind: str):
    raw, expected = KINDS[kind]
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(UnreadableFile) as caught:
        list(read_items(tmp_path / name))
    assert str(caught.value).startswith(f"{tmp_path / name}: looks like ")
    assert re.search(expected, str(caught.value))
    assert len(str(caught.value).removeprefix(str(tmp_path)).split()) < 45


@pytest.mark.parametrize("name", BINARY_NAMES)
def test_text_in_place_of_a_document_is_shown(tmp_path: Path, name: str):
    (tmp_path / name).write_text(GOOD)
    with pytest.raises(UnreadableFile, match="looks like text that begins with 'Q: How do I oil"):
        list(read_items(tmp_path / name))
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(UnreadableFile, match="looks like an empty file"):
        list(read_items(tmp_path / name))


def test_documents_under_other_names_are_named(tmp_path: Path):
    write_xlsx(tmp_path / "a.csv", {"一": [["问题", "回答"]]})
    with pytest.raises(
        UnreadableFile, match=r"looks like an Excel workbook, not a table; name it \.xlsx"
    ):
        list(read_items(tmp_path / "a.csv"))
    (tmp_path / "a.xlsx").write_bytes(zipped("word/document.xml"))
    with pytest.raises(
        UnreadableFile, match=r"a Word document, not an Excel workbook; name it \.docx"
    ):
        list(read_items(tmp_path / "a.xlsx"))


def test_what_is_inside_a_packed_file_counts(tmp_path: Path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(gzip.compress(GOOD.encode())))
    with pytest.raises(UnreadableFile, match="packed with gzip"):
        list(read_items(tmp_path / "a.txt.gz"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.zip", "unpack it"),
        ("a.tar.gz", "unpack it"),
        ("a.xls", r"save it as \.xlsx"),
        ("a.doc", r"save it as \.docx"),
        ("a.pkl", r"write it as \.jsonl"),
        ("~$a.xlsx", "Office's lock of a file that is open"),
        ("a.xyz", r"give it one of \.txt"),
    ],
)
def test_suffixes_that_are_not_read_come_with_advice(tmp_path: Path, name: str, expected: str):
    (tmp_path / name).write_bytes(zipped("a.txt"))
    with pytest.raises(UnreadableFile, match=expected):
        list(read_items(tmp_path / name))
