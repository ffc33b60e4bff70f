"""The servers that compute for this one: how each of them is, and whether it gets requests."""

from fastapi import APIRouter

from service.errors import InvalidRequest
from service.http.endpoints import DRAIN_ENGINE, LIST_ENGINES, UNDRAIN_ENGINE, root_of
from service.http.replies import REFUSALS
from serving.engine import Engine, HasServers

from .protocol import ComputingServer, ComputingServers, NamedServer


def server_routes(engine: Engine) -> APIRouter:
    router = APIRouter(responses=REFUSALS)

    @router.get(LIST_ENGINES.path)
    async def list_engines() -> ComputingServers:
        stats = engine.stats()
        listed = [ComputingServer.of(server) for server in stats.servers]
        return ComputingServers(engine=stats.engine, data=listed)

    @router.post(DRAIN_ENGINE.path)
    async def drain(named: NamedServer) -> ComputingServer:
        return _move(named, is_draining=True)

    @router.post(UNDRAIN_ENGINE.path)
    async def undrain(named: NamedServer) -> ComputingServer:
        return _move(named, is_draining=False)

    def _move(named: NamedServer, *, is_draining: bool) -> ComputingServer:
        url = root_of(named.url)
        if isinstance(engine, HasServers) and engine.drain(url, is_draining=is_draining):
            moved = next(server for server in engine.stats().servers if server.url == url)
            return ComputingServer.of(moved)
        there = ", ".join(server.url for server in engine.stats().servers) or "none"
        told = f"No server of the URL {named.url} computes for this one. There are: {there}."
        raise InvalidRequest(told, "url", "engine_not_found")

    _ = (list_engines, drain, undrain)
    return router
