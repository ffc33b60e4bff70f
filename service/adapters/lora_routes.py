"""Adapters as vLLM's and llama-server's clients know them."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from service.errors import InvalidRequest
from service.http.endpoints import LIST_LORAS, LOAD_LORA, SET_SCALES, UNLOAD_LORA
from service.http.replies import REFUSALS
from service.http.strict_json import StrictRoute
from service.models import Models

from .lora_loading import LoraLoading
from .protocol import AdapterFreed, AdapterTaken, LlamaServerAdapter, LoadLora, UnloadLora

# Clients that do not ask for JSON get text, as from vLLM.
AS_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}}}}


def lora_routes(loading: LoraLoading, models: Models) -> APIRouter:
    router = APIRouter(responses=REFUSALS, route_class=StrictRoute)

    @router.post(LOAD_LORA.path, response_model=AdapterTaken, responses=AS_TEXT)
    async def load(asked: LoadLora, request: Request) -> Response:
        answer = await loading.load(asked)
        if _wants_json(request):
            return JSONResponse(answer.model_dump())
        return PlainTextResponse(_describe(answer))

    @router.post(UNLOAD_LORA.path, response_model=AdapterFreed, responses=AS_TEXT)
    async def unload(asked: UnloadLora, request: Request) -> Response:
        num_bytes = await loading.unload(asked.lora_name)
        if _wants_json(request):
            freed = AdapterFreed(name=asked.lora_name, num_bytes=num_bytes)
            return JSONResponse(freed.model_dump())
        return PlainTextResponse(
            f"Success: LoRA adapter '{asked.lora_name}' removed successfully.\n"
            f"Memory freed: {num_bytes} bytes, once no running request needs them\n"
        )

    @router.get(LIST_LORAS.path)
    def list_loras() -> list[LlamaServerAdapter]:
        names = [entry.name for entry in models.list_entries()]
        return [LlamaServerAdapter(id=name, path=name) for name in names]

    @router.post(SET_SCALES.path)
    async def set_scales() -> Response:
        raise InvalidRequest(
            "Scales belong to a request here, not to the server, which answers many at once with "
            f'different adapters. Send "lora": [{{"name": "tcm", "scale": 0.7}}] with the '
            f"model {models.base_id!r}, or the model 'tcm:0.7+style:0.3'.",
            "scale",
        )

    _ = (load, unload, list_loras, set_scales)
    return router


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")


def _describe(answer: AdapterTaken) -> str:
    """vLLM's sentence, and below it what of the adapter has an effect."""
    return (
        f"Success: LoRA adapter '{answer.name}' added successfully.\n"
        f"Version: {answer.id}\n"
        f"Matched modules: {' '.join(answer.matched)}\n"
        f"Unmatched modules: {' '.join(answer.unmatched) or 'none'}\n"
        f"Memory: {answer.num_bytes} bytes\n"
    )
