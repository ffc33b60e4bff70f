"""Bytes to text: the encodings that people's files really have, and nothing guessed."""

import re
import unicodedata
from typing import NoReturn

from .errors import UnreadableFile

BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}

SIGNATURES = {
    b"%PDF-": "a PDF document",
    b"PK\x03\x04": "a Word, Excel or zip file",
    b"\xd0\xcf\x11\xe0": "an old Word or Excel file",
    b"\x1f\x8b": "a gzip archive",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
}

UTF8_CHARACTER = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)


def decode(raw: bytes, source: str) -> str:
    """The text of a file, its line ends made `\\n`; raises UnreadableFile if it is not text."""
    for signature, kind in SIGNATURES.items():
        if raw.startswith(signature):
            _refuse(source, f"looks like {kind}, not text", raw, 0)
    mark = next((mark for mark in BYTE_ORDER_MARKS if raw.startswith(mark)), b"")
    encoding = BYTE_ORDER_MARKS.get(mark) or _guess_encoding(raw)
    try:
        text = raw[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        _refuse(source, _describe(raw, mark, encoding), raw, len(mark) + error.start, encoding)
    control = _first_sign_of_binary(text)
    if control is not None:
        offset = len(mark) + len(text[:control].encode(encoding))
        _refuse(source, "looks like binary data or UTF-16 without a mark", raw, offset, encoding)
    return _normalise_line_ends(text)


def _guess_encoding(raw: bytes) -> str:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return "utf-8" if _is_mostly_utf8(raw) else "gb18030"
    return "utf-8"


def _is_mostly_utf8(raw: bytes) -> bool:
    """Chinese in GB18030 forms UTF-8 characters by chance from 2 in 5 of its bytes, rarely more."""
    num_high = sum(byte >= 0x80 for byte in raw)
    num_utf8 = sum(len(character) for character in UTF8_CHARACTER.findall(raw))
    return 3 * num_utf8 > 2 * num_high


def _describe(raw: bytes, mark: bytes, encoding: str) -> str:
    if encoding == "gb18030":
        kind = "binary data" if b"\0" in raw else "text in another encoding"
        return f"is neither UTF-8 nor GB18030 and looks like {kind}"
    reason = "its byte order mark" if mark else "its other characters"
    return f"looks like {encoding.upper()} from {reason}, with a broken byte"


def _first_sign_of_binary(text: str) -> int | None:
    nul = text.find("\0")
    if nul >= 0:
        return nul
    controls = [
        index
        for index, character in enumerate(text)
        if unicodedata.category(character) == "Cc" and not character.isspace()
    ]
    return controls[0] if 20 * len(controls) > len(text) else None


def _refuse(source: str, what: str, raw: bytes, offset: int, encoding: str = "utf-8") -> NoReturn:
    before = _normalise_line_ends(raw[:offset].decode(encoding, "replace"))
    line = before.count("\n") + 1
    raise UnreadableFile(
        f"{source}: {what}: 0x{raw[offset]:02x} at byte offset {offset}, line {line}; "
        "open it in the program that wrote it and save it as plain text in UTF-8"
    )


def _normalise_line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
