"""/v1/adapters: versions, uploads, exports, promotion, removal."""

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from finetune.adapters.files import FILES
from service.errors import said_of
from service.http.connection import CLIENT_GONE
from service.http.endpoints import (
    EXPORT_VERSION,
    FIND_ADAPTER,
    LIST_ADAPTERS,
    PROMOTE_ADAPTER,
    REMOVE_ADAPTER,
    ROLL_BACK_ADAPTER,
    SHARE_ADAPTER,
    UPLOAD_ADAPTER,
)
from service.http.replies import REFUSALS
from service.http.strict_json import StrictRoute

from .adapters import Adapters
from .intake import Intake
from .protocol import (
    AdapterDeleted,
    AdapterInfo,
    AdapterList,
    AdapterTaken,
    Promotion,
    Sharing,
)

BINARY = {"type": "string", "format": "binary"}
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": f"The files {', '.join(FILES)}, or one .zip of them.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "name": {"type": "string"},
                        "promote": {"type": "boolean"},
                        "accept_base": {"type": "boolean"},
                        "file": {"type": "array", "items": BINARY},
                    },
                }
            },
            "application/zip": {"schema": BINARY},
        },
    }
}

ARCHIVE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/zip": {"schema": BINARY}}}
}


def adapter_routes(adapters: Adapters, intake: Intake) -> APIRouter:
    router = APIRouter(responses=REFUSALS, route_class=StrictRoute)

    @router.get(LIST_ADAPTERS.path)
    def list_adapters() -> AdapterList:
        return AdapterList(data=adapters.describe_all())

    @router.post(
        UPLOAD_ADAPTER.path,
        status_code=201,
        response_model=AdapterTaken,
        openapi_extra=UPLOAD,
    )
    async def upload(
        request: Request,
        name: str | None = None,
        promote: bool | None = None,
        accept_base: bool | None = None,
    ) -> AdapterTaken | Response:
        given = {"name": name, "promote": promote, "accept_base": accept_base}
        asked = {field: str(value) for field, value in given.items() if value is not None}
        content_type = request.headers.get("content-type", "")
        try:
            return await intake.upload(content_type, request.stream(), asked)
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)

    @router.get(FIND_ADAPTER.path)
    def find_adapter(name: str) -> AdapterInfo:
        return adapters.describe(name)

    @router.post(PROMOTE_ADAPTER.path)
    async def promote(name: str, promotion: Promotion) -> AdapterInfo:
        with said_of("version"):
            await adapters.load_ahead(name, promotion.version)
            return await run_in_threadpool(adapters.promote, name, promotion.version)

    @router.post(ROLL_BACK_ADAPTER.path)
    def roll_back(name: str) -> AdapterInfo:
        return adapters.roll_back(name)

    @router.post(SHARE_ADAPTER.path)
    async def share(name: str, sharing: Sharing) -> AdapterInfo:
        with said_of("version"):
            if sharing.percent and sharing.version is not None:
                await adapters.load_ahead(name, sharing.version)
            return await run_in_threadpool(adapters.share, name, sharing.version, sharing.percent)

    @router.get(EXPORT_VERSION.path, response_class=StreamingResponse, responses=ARCHIVE)
    def export(name: str, version: str) -> StreamingResponse:
        pieces = adapters.pack(name, version)
        file = quote(f"{name}-{version}.zip", safe="")
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{file}",
            "Cache-Control": "no-store",
        }
        return StreamingResponse(pieces, media_type="application/zip", headers=headers)

    @router.delete(REMOVE_ADAPTER.path)
    async def remove(reference: str) -> AdapterDeleted:
        await adapters.remove(reference)
        return AdapterDeleted(id=reference)

    _ = (list_adapters, upload, find_adapter, promote, roll_back, share, export, remove)
    return router
