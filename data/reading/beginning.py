"""How files begin: it says which language to speak of them before they are read.

What is wrong with data is worded while it is read, so the language is chosen before.
"""

import re
import zipfile
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import BinaryIO
from zlib import error as ZlibError  # noqa: N812 - it is an exception

from data.errors import DataError
from data.script import is_chinese
from data.wording import prefer

from .encoding import open_text
from .hub import PREFIX
from .reader import SUFFIXES
from .source import STDIN, Source, find_sources

MOST_FILES = 20
BEGINNING = 1 << 16  # [bytes]
# Where Office's archives hold their texts.
PARTS = ("word/document.xml", "xl/sharedStrings.xml", "xl/worksheets/sheet1.xml")
TAG = re.compile(rb"<[^<>]*>?")


def speak_like_files(paths: str | Path | Iterable[str | Path]) -> None:
    """Speak in the language of the texts, where nobody has asked for another. Nothing is read of
    standard input and of the hub, or said of what cannot be read."""
    listed = [paths] if isinstance(paths, str | Path) else paths
    if is_chinese("".join(map(_beginning, islice(_sources(listed), MOST_FILES)))):
        prefer("zh")


def _sources(paths: Iterable[str | Path]) -> Iterator[Source]:
    for path in paths:
        if str(path) == STDIN or str(path).startswith(PREFIX):
            continue
        try:
            yield from (each for each in find_sources(path, SUFFIXES) if isinstance(each, Source))
        except DataError:
            continue


def _beginning(source: Source) -> str:
    try:
        with source.open() as file:
            if source.suffix in (".docx", ".xlsx"):
                return _archived(file)
            head = file.read(BEGINNING)
        whole_lines = head[: head.rfind(b"\n") + 1] if len(head) == BEGINNING else head
        return open_text(BytesIO(whole_lines or head), source.name).read()
    except (DataError, OSError, EOFError, ZlibError, zipfile.BadZipFile, RuntimeError):
        return ""


def _archived(file: BinaryIO) -> str:
    heads: list[bytes] = []
    with zipfile.ZipFile(file) as archive:
        for part in {*PARTS}.intersection(archive.namelist()):
            with archive.open(part) as text:
                heads.append(TAG.sub(b" ", text.read(BEGINNING)))
    return b" ".join(heads).decode("utf-8", "ignore")
