"""/: the page. /web: its parts."""

from fastapi import APIRouter, Request, Response

from service.errors import PathNotFound
from service.http.endpoints import PAGE, PAGE_PART

from .files import INDEX, PageFile, read_files

METHODS = ["GET", "HEAD"]


def page_routes() -> APIRouter:
    router = APIRouter(include_in_schema=False)
    files = read_files()

    @router.api_route(PAGE.path, methods=METHODS)
    async def show(request: Request) -> Response:
        return _send(files[INDEX], request)

    @router.api_route(PAGE_PART.path, methods=METHODS)
    async def send_part(part: str, request: Request) -> Response:
        if part not in files:
            raise PathNotFound(f"The page has no part {part[:60]!r}. Load it again.")
        return _send(files[part], request)

    _ = (show, send_part)
    return router


def _send(file: PageFile, request: Request) -> Response:
    if file.is_known_by(request.headers.get("if-none-match", "")):
        kept = {name: value for name, value in file.headers.items() if name != "Content-Type"}
        return Response(status_code=304, headers=kept)
    return Response(file.content, headers=file.headers)
