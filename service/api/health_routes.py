"""/health: what the engine is doing. /ready: whether requests are let in."""

from collections import Counter
from importlib.metadata import version

from fastapi import APIRouter, Response

from service.http.endpoints import HEALTH, READY
from service.http.gate import ASIDE, Gate
from service.http.replies import REFUSALS, Reply
from service.models import Models
from serving.engine import Engine, EngineStats

from .protocol import Health, Readiness

ENDED = "The engine has ended unexpectedly; the server's log says why. Restart the server."
AWAY = "None of the servers that compute answers at the moment."


def health_routes(engine: Engine, models: Models, gate: Gate) -> APIRouter:
    router = APIRouter()

    @router.get(HEALTH.path)
    async def health() -> Health:
        stats = engine.stats()
        return Health(
            model=models.base_id,
            version=version("lora-chat"),
            running=stats.num_running,
            waiting=stats.num_waiting,
            resident_adapters=stats.num_resident_adapters,
            resident_bytes=stats.num_resident_bytes,
            blocks=stats.num_blocks,
            free_blocks=stats.num_free_blocks,
            prompt_tokens=stats.num_prompt_tokens,
            cached_tokens=stats.num_cached_tokens,
            preemptions=stats.num_preemptions,
            compiled=stats.is_compiled,
            compiling=stats.is_compiling,
            engine=stats.engine,
            precision=stats.precision,
            kernel=stats.kernel,
            threads=stats.num_threads,
            cores_elsewhere=round(stats.cores_elsewhere, 1),
            servers=Counter(server.state for server in stats.servers),
        )

    @router.get(READY.path, response_model=Readiness, responses=REFUSALS)
    async def ready() -> Readiness | Response:
        reason = gate.reason or (ASIDE if gate.is_aside else _trouble(engine.stats()))
        if reason is not None:
            return Reply(503, reason, code="server_unavailable").response
        return Readiness()

    _ = (health, ready)
    return router


def _trouble(stats: EngineStats) -> str | None:
    if stats.is_running:
        return None
    return AWAY if stats.servers else ENDED
