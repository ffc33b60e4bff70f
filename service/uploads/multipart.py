"""A multipart/form-data body while it comes: files go where they are told to, fields are kept."""

import re
from typing import Protocol
from urllib.parse import unquote_to_bytes

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from service.errors import InvalidRequest

FORM_TYPE = b"multipart/form-data"
MAX_FIELD = 256  # [bytes]
MAX_PARTS = 16
EXTENDED_NAME = re.compile(rb"""filename\*\s*=\s*"?utf-8'[^']*'([^;"\s]+)""", re.IGNORECASE)


class FileSink(Protocol):
    """Takes one file after the other."""

    def begin(self, field: str, name: str, /) -> None: ...

    def write(self, data: bytes | memoryview, /) -> None: ...

    def end(self) -> None: ...


def boundary_of(content_type: str) -> bytes | None:
    """What divides the parts of a form; None where the body is none."""
    kind, options = parse_options_header(content_type)
    return options.get(b"boundary") or None if kind == FORM_TYPE else None


class MultipartBody:
    """Takes a body piece by piece: files go to the sink, the rest is found in `fields`."""

    def __init__(self, boundary: bytes, sink: FileSink) -> None:
        self.fields: dict[str, str] = {}
        self._sink = sink
        self._num_parts = 0
        self._is_whole = False
        self._header, self._value = b"", b""
        self._disposition = b""
        self._field: str | None = None  # None while a file comes in
        self._text = b""
        self._parser = self._parse(boundary)

    def feed(self, data: bytes) -> None:
        """Raises InvalidRequest, and what the sink raises."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise InvalidRequest(f"The multipart body cannot be read: {error}.", "file") from error

    def finish(self) -> None:
        """Raises InvalidRequest where the body has not come to its end."""
        if not self._is_whole:
            raise InvalidRequest("The multipart body ends before its last boundary.", "file")

    def _parse(self, boundary: bytes) -> MultipartParser:
        try:
            return MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._add_to_header,
                    "on_header_value": self._add_to_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._open,
                    "on_part_data": self._add,
                    "on_part_end": self._close,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise InvalidRequest(f"The boundary is wrong: {error}.", "Content-Type") from error

    def _begin(self) -> None:
        self._num_parts += 1
        self._disposition = b""
        if self._num_parts > MAX_PARTS:
            raise InvalidRequest(f"The multipart body has more than {MAX_PARTS} parts.", "file")

    def _add_to_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _open(self) -> None:
        """The part's headers are here: what kind it is of, and where it goes."""
        _, options = parse_options_header(self._disposition.decode("latin-1"))
        field = _as_text(options.get(b"name", b""))
        extended = EXTENDED_NAME.search(self._disposition)  # as Python's requests writes Chinese
        name = unquote_to_bytes(extended[1]) if extended else options.get(b"filename")
        if name is None:
            self._field, self._text = field, b""
            return
        self._field = None
        self._sink.begin(field, _as_text(name))

    def _add(self, data: bytes, start: int, end: int) -> None:
        if self._field is None:
            self._sink.write(memoryview(data)[start:end])
            return
        self._text += data[start:end]
        if len(self._text) > MAX_FIELD:
            raise InvalidRequest(
                f"A field of a multipart body may have {MAX_FIELD} bytes. Give files a file name.",
                self._field[:MAX_FIELD],
            )

    def _close(self) -> None:
        if self._field is None:
            self._sink.end()
        elif self._field in self.fields:
            raise InvalidRequest(f"The field {self._field!r} is there twice.", self._field)
        else:
            self.fields[self._field] = _as_text(self._text)

    def _end(self) -> None:
        self._is_whole = True


def _as_text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest("A name in the multipart body is not UTF-8.", "file") from error
