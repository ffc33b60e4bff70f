"""/v1/files, as OpenAI's clients ask for them, and what training would make of a file."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from service.accounts.caller import current_caller
from service.api.languages import language_of
from service.errors import FileNotFound, OfField
from service.files.files import MOST_LISTED, Order
from service.files.stored_file import StoredFile
from service.http.connection import CLIENT_GONE
from service.http.endpoints import (
    CHECK_FILE,
    FIND_FILE,
    LIST_FILES,
    READ_FILE,
    REMOVE_FILE,
    UPLOAD_FILE,
)
from service.http.replies import REFUSALS

from .content import send_content
from .filing import Filing
from .protocol import FileCheck, FileDeleted, FileList, FileObject
from .upload import ANCHOR, LATEST, PURPOSE, SECONDS, SOONEST

BINARY = {"type": "string", "format": "binary"}
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "Conversations in any form that `lora-chat data` reads.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {
                        "file": BINARY,
                        "purpose": {"type": "string", "enum": [PURPOSE]},
                        ANCHOR: {"type": "string", "enum": ["created_at"]},
                        SECONDS: {"type": "integer", "minimum": SOONEST, "maximum": LATEST},
                    },
                }
            }
        },
    }
}
AS_IT_CAME: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": BINARY}}}
}


def file_routes(filing: Filing) -> APIRouter:
    router = APIRouter(responses=REFUSALS)

    def find(file_id: str) -> StoredFile:
        return filing.files.find_owned(file_id, current_caller.get())

    @router.post(UPLOAD_FILE.path, response_model=FileObject, openapi_extra=UPLOAD)
    async def upload(request: Request) -> FileObject | Response:
        content_type = request.headers.get("content-type", "")
        try:
            taken = await filing.intake.take(content_type, request.stream(), current_caller.get())
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)
        return FileObject.of(await filing.checks.settle(taken, language_of(request)))

    @router.get(LIST_FILES.path)
    def list_files(
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = MOST_LISTED,
        order: Order = "desc",
        purpose: str | None = None,
    ) -> FileList:
        caller = current_caller.get()
        owner = None if caller.has("admin") else caller.owner
        if after is not None:
            try:
                find(after)
            except FileNotFound as error:
                raise OfField("after", error) from error
        found = filing.files.list(owner, purpose, after, limit + 1, order)
        return FileList.of([*map(FileObject.of, found)], limit)

    @router.get(FIND_FILE.path)
    def find_file(file_id: str) -> FileObject:
        return FileObject.of(find(file_id))

    @router.delete(REMOVE_FILE.path)
    def remove(file_id: str) -> FileDeleted:
        filing.files.remove(find(file_id).id)
        return FileDeleted(id=file_id)

    @router.get(READ_FILE.path, response_class=StreamingResponse, responses=AS_IT_CAME)
    async def read(file_id: str) -> StreamingResponse:
        file = await run_in_threadpool(find, file_id)
        return await send_content(file, filing.files.path(file))

    @router.get(CHECK_FILE.path)
    async def check(file_id: str, request: Request, response: Response) -> FileCheck:
        file = await run_in_threadpool(find, file_id)
        response.headers["Vary"] = "Accept-Language"
        if not await run_in_threadpool(filing.can_be_checked, file):
            return FileCheck.unread(file)
        return FileCheck.of(file, await filing.checks.report(file, language_of(request)))

    _ = (upload, list_files, find_file, remove, read, check)
    return router
