"""/docs: the interface as a page that needs no script and nothing from elsewhere.

FastAPI's own page loads its scripts from a CDN: it stays empty on a machine without internet.
"""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from .endpoints import DOCS, OPENAPI

STYLE = """body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; }
code, pre { font-family: ui-monospace, monospace; } pre { overflow-x: auto; background: #8882; }
h2 { border-top: 1px solid #8886; padding-top: 1rem; }"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def docs_routes() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get(DOCS.path, response_class=HTMLResponse)
    def show(request: Request) -> HTMLResponse:
        document = request.app.openapi()
        page = "\n".join(_page(document, request.scope.get("root_path", "")))
        return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})

    _ = show
    return router


def _page(document: Mapping[str, Any], root_path: str) -> Iterator[str]:
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    yield f"<style>{STYLE}</style><h1>{title}</h1>"
    yield f'<p>For programs: <a href="{escape(root_path + OPENAPI.path)}">openapi.json</a></p>'
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield from _operation(method, path, operation)
    yield "<h2>Shapes</h2>"
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        yield _details(name, schema)


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h2><code>{escape(method.upper())} {escape(path)}</code></h2>"
    for part in ("summary", "description"):
        if part in operation:
            yield f"<p>{escape(operation[part])}</p>"
    for part in ("parameters", "requestBody", "responses"):
        if part in operation:
            yield _details(part, operation[part])


def _details(name: str, content: object) -> str:
    shown = escape(json.dumps(content, indent=2, ensure_ascii=False))
    return f"<details><summary>{escape(name)}</summary><pre>{shown}</pre></details>"
