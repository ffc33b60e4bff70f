"""An adapter that comes as the body of a request: multipart/form-data or one .zip, to the disk."""

from collections.abc import AsyncIterable

from fastapi.concurrency import run_in_threadpool
from python_multipart.multipart import parse_options_header

from service.errors import InvalidRequest
from service.uploads.body import Body, pour
from service.uploads.multipart import MultipartBody, boundary_of

from .archive import unpack
from .staging import StagedFiles

ZIP_TYPES = (b"application/zip", b"application/x-zip-compressed")


async def receive(
    content_type: str, chunks: AsyncIterable[bytes], staged: StagedFiles
) -> dict[str, str]:
    """Write a body's files as they come, and return its fields.

    Raises InvalidRequest, UploadTooLarge or DiskFull.
    """
    fields = await pour(chunks, _body(content_type, staged))
    if staged.archive.exists():
        await run_in_threadpool(unpack, staged.archive, staged)
    staged.check_complete()
    return fields


def _body(content_type: str, staged: StagedFiles) -> Body:
    if parse_options_header(content_type)[0] in ZIP_TYPES:
        return ArchiveBody(staged)
    if boundary := boundary_of(content_type):
        return MultipartBody(boundary, FormFiles(staged))
    raise InvalidRequest(
        "Send the adapter's files as multipart/form-data, such as curl -F name=tcm "
        "-F file=@adapter_config.json -F file=@adapter_model.safetensors, or one .zip as "
        "application/zip.",
        "Content-Type",
    )


class ArchiveBody:
    """A .zip alone."""

    def __init__(self, staged: StagedFiles) -> None:
        self.fields: dict[str, str] = {}
        self._staged = staged
        staged.begin_archive()

    def feed(self, data: bytes) -> None:
        self._staged.write(data)

    def finish(self) -> None:
        self._staged.end()


class FormFiles:
    """The files of a form: an adapter's own, or one archive of them."""

    def __init__(self, staged: StagedFiles) -> None:
        self._staged = staged
        self.write = staged.write
        self.end = staged.end

    def begin(self, _field: str, name: str) -> None:
        if name.lower().endswith(".zip"):
            self._staged.begin_archive()
        else:
            self._staged.begin(name)
