"""What a file is where it is not what its name says: told with what to do, in one message."""

import re
import zipfile
from codecs import BOM_UTF8
from typing import BinaryIO

from data.errors import UnreadableFile

HEAD = 1 << 14  # [bytes] that are looked at

LFS = re.compile(rb"version https://git-lfs\.github\.com/spec/.*?\bsize (\d+)", re.DOTALL)
PAGE = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
    re.DOTALL | re.I,
)
TITLE = re.compile(rb"<title[^>]*>\s*([^<]{1,80})", re.IGNORECASE)
ZIP = b"PK\x03\x04"
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
PICKLE = re.compile(rb"\x80[\x02-\x05][\x95(}\]cX\x8c]")

UNPACK = "unpack it, and give what is in it or its folder"
SAVE = "save it as {} in the program that wrote it"
# By the first bytes: what it is, and what to do. Where a suffix stands, such a file is read so.
SIGNATURES: dict[bytes, tuple[str, str]] = {
    b"%PDF-": ("a PDF document", ".pdf"),
    b"PAR1": ("a Parquet file", ".parquet"),
    b"\x1f\x8b": ("packed with gzip", ".gz"),
    b"\xd0\xcf\x11\xe0": (
        "an old Office file, or one with a password",
        SAVE.format(".docx or .xlsx, without one"),
    ),
    b"{\\rtf": ("a text with formats (RTF)", SAVE.format(".docx")),
    b"BZh": ("packed with bzip2", UNPACK),
    b"\xfd7zXZ\x00": ("packed with xz", UNPACK),
    b"(\xb5/\xfd": ("packed with zstd", UNPACK),
    b"7z\xbc\xaf'\x1c": ("a 7-Zip archive", UNPACK),
    b"Rar!\x1a\x07": ("a RAR archive", UNPACK),
    b"ARROW1": ("an Arrow file", "save it as Parquet or JSON lines: Dataset.to_json(…)"),
    b"SQLite format 3": ("an SQLite database", "export the table as .csv"),
    b"\x93NUMPY": ("an array of NumPy's", "write the texts as .jsonl or .csv"),
    b"\x89PNG": ("a PNG image", "type out the text that it shows"),
    b"\xff\xd8\xff": ("a JPEG image", "type out the text that it shows"),
    b"GIF8": ("a GIF image", "type out the text that it shows"),
}
# By what lies in the archive: Office's files are archives too.
ARCHIVED = {
    "word/document.xml": ("a Word document", ".docx"),
    "xl/workbook.xml": ("an Excel workbook", ".xlsx"),
    "xl/workbook.bin": ("a binary Excel workbook", SAVE.format(".xlsx")),
    "ppt/presentation.xml": ("a presentation", "copy its text into a .txt or .docx file"),
    "content.xml": ("an OpenDocument file", SAVE.format(".docx or .xlsx")),
    "data.pkl": ("a file of PyTorch's", "write the texts as .jsonl"),
}
BINARY = (".xlsx", ".docx", ".pdf", ".parquet")
NAMES = {
    ".jsonl": "JSON lines",
    ".ndjson": "JSON lines",
    ".json": "JSON",
    ".xlsx": "an Excel workbook",
    ".docx": "a Word document",
    ".pdf": "a PDF document",
    ".parquet": "a Parquet file",
    ".csv": "a table",
    ".tsv": "a table",
    ".yml": "YAML",
    ".yaml": "YAML",
}


def refuse_other_kinds(file: BinaryIO, source: str, suffix: str) -> None:
    """Raises UnreadableFile for a file that is not of its suffix's kind. The file is left at its
    beginning."""
    head = file.read(HEAD).removeprefix(BOM_UTF8)
    found = _kind(head, file, suffix)
    file.seek(0)
    if found is not None:
        kind, advice = found
        meant = NAMES.get(suffix, "text")
        raise UnreadableFile(f"{source}: looks like {kind}, not {meant}; {advice}")


def _kind(head: bytes, file: BinaryIO, suffix: str) -> tuple[str, str] | None:
    """What it is and what to do; None where it may be what its suffix says."""
    if pointer := LFS.match(head):
        kind = f"a Git LFS pointer, in place of a file of {int(pointer[1]):,} bytes"
        return kind, "fetch that with `git lfs pull`, or download it from the page of the data set"
    if PAGE.match(head):
        return None if suffix in (".html", ".htm") else _page(head)
    if head.startswith(ZIP):
        return _archive(file, suffix)
    for signature, (kind, advice) in SIGNATURES.items():
        if head.startswith(signature):
            return _told(kind, advice, suffix)
    if head[257:262] == b"ustar":
        return "a tar archive", UNPACK
    if PICKLE.match(head):
        return (
            "a pickle of Python's",
            "load it there and write its rows as .jsonl: loading runs code",
        )
    return _plain(head) if suffix in BINARY else None


def _plain(head: bytes) -> tuple[str, str] | None:
    """A text, where none is meant."""
    if CONTROL.search(head):
        return None
    first = head.decode("utf-8", "replace").strip().partition("\n")[0][:40]
    return (
        f"text that begins with {first!r}" if first else "an empty file",
        "name it .csv or .txt, if it is text",
    )


def _page(head: bytes) -> tuple[str, str]:
    title = TITLE.search(head)
    named = f" with the title {title[1].decode('utf-8', 'replace').strip()!r}" if title else ""
    advice = "download the file itself; or name it .html, if the page holds the questions"
    return f"an HTML page{named}", advice


def _archive(file: BinaryIO, suffix: str) -> tuple[str, str] | None:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        names = []
    for name, (kind, advice) in ARCHIVED.items():
        if name in names or any(each.endswith(f"/{name}") for each in names):
            return _told(kind, advice, suffix)
    if not names:
        is_office = suffix in (".xlsx", ".docx")  # whose readers know better what is broken
        return None if is_office else ("a Word, Excel or zip file, cut short", "copy it anew")
    shown = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
    return f"a zip archive of {shown}", UNPACK


def _told(kind: str, advice: str, suffix: str) -> tuple[str, str] | None:
    if not advice.startswith("."):
        return kind, advice
    return None if suffix == advice else (kind, f"name it {advice}")
