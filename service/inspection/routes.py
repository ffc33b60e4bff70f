"""Reports and checks of adapters' versions, and what this machine is."""

import re
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from service.api.languages import SPOKEN
from service.http.endpoints import DESCRIBE_MACHINE, READ_REPORT, VERIFY_VERSION
from service.http.replies import REFUSALS

from .machine import MachineInspection
from .protocol import MachineInfo, Verification
from .versions import VersionInspection

PAGE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {}}}}
# Reports quote texts that anybody may have written: whatever these hold, nothing runs or is loaded.
STYLE = re.compile(rb"<style>.*?</style>", re.DOTALL)
SANDBOX = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "sandbox",
    "Cache-Control": "no-store",
}


def inspection_routes(versions: VersionInspection, machine: MachineInspection) -> APIRouter:
    router = APIRouter(responses=REFUSALS, dependencies=SPOKEN)

    @router.get(READ_REPORT.path, response_class=Response, responses=PAGE)
    def read_report(name: str, version: str, style: bool = True) -> HTMLResponse:
        page = versions.report(name, version)
        return HTMLResponse(page if style else STYLE.sub(b"", page), headers=SANDBOX)

    @router.get(VERIFY_VERSION.path)
    def verify(name: str, version: str) -> Verification:
        return versions.verify(name, version)

    @router.get(DESCRIBE_MACHINE.path)
    async def describe_machine() -> MachineInfo:
        return await machine.describe()

    _ = (read_report, verify, describe_machine)
    return router
