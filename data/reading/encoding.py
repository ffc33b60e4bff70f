"""Bytes to text: the encodings that people's files really have, each confirmed to the last byte.

UTF-8 is what decodes as UTF-8. Of anything else charset-normalizer says what it looks like; the
whole file must then decode, or it is an error with its place: nothing is ever replaced.
"""

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NoReturn, TextIO

from data.errors import UnreadableFile
from data.wording import _

BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}
# By what charset-normalizer calls them; of variants the first that decodes the whole file counts.
LEGACY = {
    "gb18030": ("gb18030",),
    "big5": ("big5", "cp950", "big5hkscs"),
    "cp1252": ("cp1252",),
}
HIGH_BYTES = bytes(range(0x80, 0x100))
SURE = tuple(BYTE_ORDER_MARKS.values())
# The first bytes of each encoding's more frequent half, where nearly all of a text is.
FREQUENT = {"gb18030": (0xB0, 0xD7), "big5": (0xA4, 0xC6)}
IDEOGRAPH = re.compile(r"[\u3400-\u9fff]")
UTF8_CHARACTER = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
# Neither Latin nor Chinese nor punctuation: random bytes in UTF-16 are half of them.
STRANGE = re.compile(
    r"[^\t\n\r -~\u00a0-\u024f\u2000-\u206f\u3000-\u30ff\u4e00-\u9fff\uff00-\uffef]"
)
MOST_CONTROLS = 0.05  # of the characters
BLOCK = 1 << 20  # [bytes] decoded at a time
SAMPLE = 1 << 18  # [bytes] that say which encoding it is


def open_text(file: BinaryIO, source: str) -> TextIO:
    """The file as text, its line ends made `\\n`; raises UnreadableFile if it is not text.

    It is read once before, so that nobody gets half of one that cannot be decoded.
    """
    head = file.read(SAMPLE)
    mark = next((mark for mark in BYTE_ORDER_MARKS if head.startswith(mark)), b"")
    encoding = BYTE_ORDER_MARKS.get(mark, "utf-8")
    finding = _scan(file, len(mark), encoding)
    if not mark and not finding.is_text:
        encodings = _guess(file, finding)
        if not encodings:
            _refuse(file, source, _("looks like binary data"), finding.offset)
        for encoding in encodings:
            finding = _scan(file, 0, encoding)
            if finding.is_text:
                break
    if not finding.is_text:
        _refuse(file, source, _describe(finding, bool(mark), encoding), finding.offset, encoding)
    if finding.is_blank:
        raise UnreadableFile(source, _("is empty; write questions and answers into it"))
    file.seek(len(mark))
    return io.TextIOWrapper(file, encoding, errors="strict")


@dataclass(frozen=True, slots=True)
class _Finding:
    """What a file is in one encoding."""

    offset: int = 0  # [bytes] of what is wrong with it
    is_decoded: bool = True
    is_binary: bool = False
    is_blank: bool = False

    @property
    def is_text(self) -> bool:
        return self.is_decoded and not self.is_binary


def _scan(file: BinaryIO, begin: int, encoding: str) -> _Finding:
    """Decode a file block by block, looking for bytes that are no characters, and for signs of
    binary data: a NUL, or many control characters."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    file.seek(begin)
    position, num_characters, num_controls, is_blank = begin, 0, 0, True
    first_control: int | None = None
    while True:
        raw = file.read(BLOCK)
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            return _Finding(position - pending + error.start, is_decoded=False)
        at = CONTROL.search(text) if "\0" not in text else re.search("\0", text)
        if at and (first_control is None or at[0] == "\0"):
            first_control = position - pending + len(text[: at.start()].encode(encoding))
            if at[0] == "\0":
                return _Finding(first_control, is_binary=True)
        num_controls += len(CONTROL.findall(text)) if at else 0
        is_blank = is_blank and not text.strip()
        num_characters += len(text)
        position += len(raw)
        if not raw:
            break
    if first_control is not None and num_controls > MOST_CONTROLS * num_characters:
        return _Finding(first_control, is_binary=True)
    return _Finding(is_blank=is_blank)


def _guess(file: BinaryIO, finding: _Finding) -> tuple[str, ...]:
    """What it may be, from what stands around the first byte that is no text in UTF-8; nothing, if
    that looks like binary data."""
    begin = max(0, finding.offset - SAMPLE // 2) & ~1
    file.seek(begin)
    raw = file.read(SAMPLE)
    if b"\0" in raw:
        return _utf16(raw)
    if finding.is_binary:
        return ()
    if _is_mostly_utf8(raw):
        return ("utf-8",)
    if begin:
        raw = raw.partition(b"\n")[2]  # not from the middle of a character
    from charset_normalizer import from_bytes

    usual = [name for name in FREQUENT if is_usual(raw.decode(name, "replace"), name)]
    if len(usual) == 1:
        return LEGACY[usual[0]]
    matches = from_bytes(raw, cp_isolation=[*LEGACY], threshold=1.0)
    found = {match.encoding: (match.chaos, -match.coherence) for match in matches}
    best = min((name for name in LEGACY if name in found), key=found.__getitem__, default="gb18030")
    return LEGACY[best]


def is_usual(text: str, encoding: str) -> bool:
    """Whether a text's ideographs are those that are used most, as in a text read rightly."""
    ideographs = "".join(IDEOGRAPH.findall(text)).encode(encoding, "ignore")[::2]
    if encoding not in FREQUENT or not ideographs or "\ufffd" in text:
        return False
    first, last = FREQUENT[encoding]
    return sum(first <= byte <= last for byte in ideographs) > 0.8 * len(ideographs)


def _utf16(raw: bytes) -> tuple[str, ...]:
    """The order of bytes, without a mark, in which characters are of languages that we know."""
    strange = {
        encoding: len(STRANGE.findall(raw.decode(encoding, "replace")))
        for encoding in ("utf-16-le", "utf-16-be")
    }
    encoding = min(strange, key=strange.__getitem__)
    return () if len(raw) % 2 or 20 * strange[encoding] > len(raw) else (encoding,)


def _is_mostly_utf8(raw: bytes) -> bool:
    """Chinese in GB18030 forms UTF-8 characters by chance from 2 in 5 of its bytes, rarely more."""
    num_high = len(raw) - len(raw.translate(None, HIGH_BYTES))
    num_utf8 = sum(len(character) for character in UTF8_CHARACTER.findall(raw))
    return 3 * num_utf8 > 2 * num_high


def _describe(finding: _Finding, has_mark: bool, encoding: str) -> str:
    if finding.is_binary:
        return _("looks like binary data")
    told = _("is not UTF-8, looks like {encoding} and is not that either")
    if encoding in SURE and has_mark:
        told = _("looks like {encoding} from its byte order mark, with a broken byte")
    elif encoding in SURE:
        told = _("looks like {encoding} from its other characters, with a broken byte")
    return told.format(encoding=encoding.upper())


def _refuse(
    file: BinaryIO, source: str, what: str, offset: int, encoding: str = "utf-8"
) -> NoReturn:
    line = 1 + sum(block.count("\n") for block in _lines_before(file, offset, encoding))
    file.seek(offset)
    told = _(
        "{what}: {byte} at byte offset {offset}, line {line}; open it in the program "
        "that wrote it and save it as plain text in UTF-8"
    )
    byte = f"0x{file.read(1).hex()}"
    raise UnreadableFile(source, told.format(what=what, byte=byte, offset=offset, line=line))


def _lines_before(file: BinaryIO, offset: int, encoding: str) -> Iterator[str]:
    decoder = io.IncrementalNewlineDecoder(
        codecs.getincrementaldecoder(encoding)("replace"), translate=True
    )
    file.seek(0)
    while offset > 0 and (raw := file.read(min(BLOCK, offset))):
        offset -= len(raw)
        yield decoder.decode(raw)
    yield decoder.decode(b"", final=True)
