"""A form with a file for training, from a request's body to its place among the files."""

from collections.abc import AsyncIterable, Mapping

import anyio
from fastapi.concurrency import run_in_threadpool

from service.accounts.caller import Caller
from service.errors import InvalidRequest
from service.files.arrival import Arrival
from service.files.files import Files
from service.files.stored_file import Purpose, StoredFile
from service.uploads.body import pour
from service.uploads.multipart import MultipartBody, boundary_of

PURPOSE: Purpose = "fine-tune"
OTHER_PURPOSES = ("assistants", "batch", "vision", "user_data", "evals")  # OpenAI's
ANCHOR, SECONDS = "expires_after[anchor]", "expires_after[seconds]"  # as its clients write them
SOONEST, LATEST = 3_600, 2_592_000  # [seconds]
HOW = "such as curl -F purpose=fine-tune -F file=@data.jsonl."


class FileIntake:
    """Takes files in, by the server's limits. What is refused leaves nothing behind."""

    def __init__(self, files: Files, limit: int, most: int) -> None:
        self._files = files
        self._limit = limit  # [bytes] of a file
        self._most = most  # files of a key

    async def take(
        self, content_type: str, chunks: AsyncIterable[bytes], caller: Caller
    ) -> StoredFile:
        """Raises InvalidRequest, UploadTooLarge, LimitReached or DiskFull."""
        boundary = boundary_of(content_type)
        if boundary is None:
            raise InvalidRequest(f"Send the file as multipart/form-data, {HOW}", "Content-Type")
        arrival = await run_in_threadpool(self._files.arrival, caller, self._limit, self._most)
        try:
            fields = await pour(chunks, MultipartBody(boundary, _OneFile(arrival)))
            seconds = _check_fields(fields)
            if not arrival.has_begun:
                raise InvalidRequest(f"Give the file in the field 'file', {HOW}", "file")
            return await run_in_threadpool(self._add, arrival, caller, seconds)
        finally:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(arrival.close)

    def _add(self, arrival: Arrival, caller: Caller, seconds: int | None) -> StoredFile:
        return self._files.add(arrival, caller, purpose=PURPOSE, most=self._most, seconds=seconds)


class _OneFile:
    """The one file of a form."""

    def __init__(self, arrival: Arrival) -> None:
        self._arrival = arrival
        self.write = arrival.write
        self.end = arrival.end

    def begin(self, field: str, name: str) -> None:
        if field != "file":
            raise InvalidRequest(
                f"A file came in the field {field[:64]!r}; send one in 'file'.", "file"
            )
        if self._arrival.has_begun:
            raise InvalidRequest("The form holds two files. Send each by itself.", "file")
        self._arrival.begin(name)


def _check_fields(fields: Mapping[str, str]) -> int | None:
    """The seconds in which the file expires; None: never. Raises InvalidRequest."""
    purpose = fields.get("purpose")
    if purpose != PURPOSE:
        if purpose is None:
            told = f"Give the file's purpose, {HOW}"
        elif purpose in OTHER_PURPOSES:
            told = f"Files with the purpose {purpose!r} are of no use here: send {PURPOSE!r} alone."
        else:
            told = f"There is no purpose {purpose[:64]!r}: send {PURPOSE!r}."
        raise InvalidRequest(told, "purpose")
    if ANCHOR not in fields and SECONDS not in fields:
        return None
    if fields.get(ANCHOR) != "created_at":
        raise InvalidRequest(f"{ANCHOR} should be 'created_at'.", ANCHOR)
    given = fields.get(SECONDS, "")
    if not (given.isascii() and given.isdigit() and SOONEST <= int(given) <= LATEST):
        raise InvalidRequest(f"{SECONDS} should be from {SOONEST} to {LATEST}.", SECONDS)
    return int(given)
