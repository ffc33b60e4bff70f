"""The servers that compute for a running one, as commands ask for them."""

from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict

from service.http.endpoints import DRAIN_ENGINE, LIST_ENGINES, UNDRAIN_ENGINE

from .server import Server, check


class ComputingServer(BaseModel):
    """What a server says of one that computes for it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    url: str
    state: str
    reason: str | None = None
    running: int
    requests: int
    failures: int
    restarts: int
    adapters: list[str]


class EnginesServer(Server):
    def engines(self) -> tuple[str, list[ComputingServer]]:
        """Which engine asks them, and they."""
        found = self._asked("GET", LIST_ENGINES.path)
        listed = [ComputingServer.model_validate(each) for each in found["data"]]
        return found["engine"], listed

    def drain(self, url: str, *, is_draining: bool) -> ComputingServer:
        endpoint = DRAIN_ENGINE if is_draining else UNDRAIN_ENGINE
        return ComputingServer.model_validate(self._asked("POST", endpoint.path, {"url": url}))

    def _asked(self, method: str, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
        with self._errors():
            response: httpx.Response = self._client.request(method, path, json=body)
            check(response)
            found: dict[str, Any] = response.json()
            return found
