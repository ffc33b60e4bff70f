"""What a file is where it is not what its name says: told with what to do, in one message."""

import re
import zipfile
from codecs import BOM_UTF8
from typing import BinaryIO

from data.errors import UnreadableFile
from data.wording import N_, _

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

UNPACK = N_("unpack it, and give what is in it or its folder")
TYPE_OUT = N_("type out the text that it shows")
# By the first bytes: what it is, and what to do. Where a suffix stands, such a file is read so.
SIGNATURES: dict[bytes, tuple[str, str]] = {
    b"%PDF-": (N_("a PDF document"), ".pdf"),
    b"PAR1": (N_("a Parquet file"), ".parquet"),
    b"\x1f\x8b": (N_("packed with gzip"), ".gz"),
    b"\xd0\xcf\x11\xe0": (
        N_("an old Office file, or one with a password"),
        N_("save it as .docx or .xlsx, without one in the program that wrote it"),
    ),
    b"{\\rtf": (
        N_("a text with formats (RTF)"),
        N_("save it as .docx in the program that wrote it"),
    ),
    b"BZh": (N_("packed with bzip2"), UNPACK),
    b"\xfd7zXZ\x00": (N_("packed with xz"), UNPACK),
    b"(\xb5/\xfd": (N_("packed with zstd"), UNPACK),
    b"7z\xbc\xaf'\x1c": (N_("a 7-Zip archive"), UNPACK),
    b"Rar!\x1a\x07": (N_("a RAR archive"), UNPACK),
    b"ARROW1": (
        N_("an Arrow file"),
        N_("save it as Parquet or JSON lines: Dataset.to_json(…)"),
    ),
    b"SQLite format 3": (N_("an SQLite database"), N_("export the table as .csv")),
    b"\x93NUMPY": (N_("an array of NumPy's"), N_("write the texts as .jsonl or .csv")),
    b"\x89PNG": (N_("a PNG image"), TYPE_OUT),
    b"\xff\xd8\xff": (N_("a JPEG image"), TYPE_OUT),
    b"GIF8": (N_("a GIF image"), TYPE_OUT),
}
# By what lies in the archive: Office's files are archives too.
ARCHIVED = {
    "word/document.xml": (N_("a Word document"), ".docx"),
    "xl/workbook.xml": (N_("an Excel workbook"), ".xlsx"),
    "xl/workbook.bin": (
        N_("a binary Excel workbook"),
        N_("save it as .xlsx in the program that wrote it"),
    ),
    "ppt/presentation.xml": (
        N_("a presentation"),
        N_("copy its text into a .txt or .docx file"),
    ),
    "content.xml": (
        N_("an OpenDocument file"),
        N_("save it as .docx or .xlsx in the program that wrote it"),
    ),
    "data.pkl": (N_("a file of PyTorch's"), N_("write the texts as .jsonl")),
}
BINARY = (".xlsx", ".docx", ".pdf", ".parquet")
NAMES = {
    ".jsonl": N_("JSON lines"),
    ".ndjson": N_("JSON lines"),
    ".json": "JSON",
    ".xlsx": N_("an Excel workbook"),
    ".docx": N_("a Word document"),
    ".pdf": N_("a PDF document"),
    ".parquet": N_("a Parquet file"),
    ".csv": N_("a table"),
    ".tsv": N_("a table"),
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
        meant = NAMES.get(suffix, N_("text"))
        told = _("looks like {kind}, not {meant}; {advice}")
        raise UnreadableFile(source, told.format(kind=kind, meant=_(meant), advice=advice))


def _kind(head: bytes, file: BinaryIO, suffix: str) -> tuple[str, str] | None:
    """What it is and what to do, in the reader's language; None where it may be what its suffix
    says."""
    if pointer := LFS.match(head):
        kind = _("a Git LFS pointer, in place of a file of {count:,} bytes")
        advice = _("fetch that with `git lfs pull`, or download it from the page of the data set")
        return kind.format(count=int(pointer[1])), advice
    if PAGE.match(head):
        return None if suffix in (".html", ".htm") else _page(head)
    if head.startswith(ZIP):
        return _archive(file, suffix)
    for signature, (kind, advice) in SIGNATURES.items():
        if head.startswith(signature):
            return _told(kind, advice, suffix)
    if head[257:262] == b"ustar":
        return _("a tar archive"), _(UNPACK)
    if PICKLE.match(head):
        advice = _("load it there and write its rows as .jsonl: loading runs code")
        return _("a pickle of Python's"), advice
    return _plain(head) if suffix in BINARY else None


def _plain(head: bytes) -> tuple[str, str] | None:
    """A text, where none is meant."""
    if CONTROL.search(head):
        return None
    first = head.decode("utf-8", "replace").strip().partition("\n")[0][:40]
    kind = _("text that begins with {shown!r}").format(shown=first) if first else _("an empty file")
    return kind, _("name it .csv or .txt, if it is text")


def _page(head: bytes) -> tuple[str, str]:
    title = TITLE.search(head)
    advice = _("download the file itself; or name it .html, if the page holds the questions")
    if title is None:
        return _("an HTML page"), advice
    shown = title[1].decode("utf-8", "replace").strip()
    return _("an HTML page with the title {shown!r}").format(shown=shown), advice


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
        found = _("a Word, Excel or zip file, cut short"), _("copy it anew")
        return None if is_office else found
    shown = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
    return _("a zip archive of {files}").format(files=shown), _(UNPACK)


def _told(kind: str, advice: str, suffix: str) -> tuple[str, str] | None:
    if not advice.startswith("."):
        return _(kind), _(advice)
    return None if suffix == advice else (_(kind), _("name it {suffix}").format(suffix=advice))
