"""An adapter that comes as the body of a request: multipart/form-data or one .zip, to the disk."""

from collections.abc import AsyncIterable
from typing import Protocol

from fastapi.concurrency import run_in_threadpool
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from service.errors import InvalidRequest

from .archive import unpack
from .staging import StagedFiles

ZIP_TYPES = (b"application/zip", b"application/x-zip-compressed")
MAX_FIELD = 256  # [bytes]
MAX_PARTS = 16


class Body(Protocol):
    """Takes a body piece by piece, then checks that it has come to its end."""

    def feed(self, data: bytes) -> None: ...

    def finish(self) -> None: ...


async def receive(
    content_type: str, chunks: AsyncIterable[bytes], staged: StagedFiles
) -> dict[str, str]:
    """Write a body's files as they come, and return its fields.

    Raises InvalidRequest, UploadTooLarge or DiskFull.
    """
    fields: dict[str, str] = {}
    body = _body(content_type, staged, fields)
    async for chunk in chunks:
        await run_in_threadpool(body.feed, chunk)
    await run_in_threadpool(body.finish)
    if staged.archive.exists():
        await run_in_threadpool(unpack, staged.archive, staged)
    staged.check_complete()
    return fields


def _body(content_type: str, staged: StagedFiles, fields: dict[str, str]) -> Body:
    kind, options = parse_options_header(content_type)
    if kind in ZIP_TYPES:
        return ArchiveBody(staged)
    if kind == b"multipart/form-data" and options.get(b"boundary"):
        return MultipartBody(options[b"boundary"], staged, fields)
    raise InvalidRequest(
        "Send the adapter's files as multipart/form-data, such as curl -F name=tcm "
        "-F file=@adapter_config.json -F file=@adapter_model.safetensors, or one .zip as "
        "application/zip.",
        "Content-Type",
    )


class ArchiveBody:
    """A .zip alone."""

    def __init__(self, staged: StagedFiles) -> None:
        self._staged = staged
        staged.begin_archive()

    def feed(self, data: bytes) -> None:
        self._staged.write(data)

    def finish(self) -> None:
        self._staged.end()


class MultipartBody:
    """Files go to the disk as they come, fields into `fields`."""

    def __init__(self, boundary: bytes, staged: StagedFiles, fields: dict[str, str]) -> None:
        self._staged = staged
        self._fields = fields
        self._num_parts = 0
        self._is_whole = False
        self._header, self._value = b"", b""
        self._disposition = b""
        self._field: str | None = None  # None while a file comes in
        self._text = b""
        self._parser = self._parse(boundary)

    def feed(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise InvalidRequest(f"The multipart body cannot be read: {error}.", "file") from error

    def finish(self) -> None:
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
        file_name = options.get(b"filename")
        if file_name is None:
            self._field, self._text = _as_text(options.get(b"name", b"")), b""
            return
        self._field = None
        name = _as_text(file_name)
        if name.lower().endswith(".zip"):
            self._staged.begin_archive()
        else:
            self._staged.begin(name)

    def _add(self, data: bytes, start: int, end: int) -> None:
        if self._field is None:
            self._staged.write(memoryview(data)[start:end])
            return
        self._text += data[start:end]
        if len(self._text) > MAX_FIELD:
            raise InvalidRequest(
                f"A field of a multipart body may have {MAX_FIELD} bytes. Give files a file name.",
                self._field[:MAX_FIELD],
            )

    def _close(self) -> None:
        if self._field is None:
            self._staged.end()
        elif self._field in self._fields:
            raise InvalidRequest(f"The field {self._field!r} is there twice.", self._field)
        else:
            self._fields[self._field] = _as_text(self._text)

    def _end(self) -> None:
        self._is_whole = True


def _as_text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest("A name in the multipart body is not UTF-8.", "file") from error
