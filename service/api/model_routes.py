"""/v1/models: the base and the adapters."""

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool

from service.adapters.adapters import Adapters
from service.errors import InvalidRequest
from service.http.endpoints import DELETE_MODEL, FIND_MODEL, LIST_MODELS, LIST_MODELS_TOO
from service.http.replies import REFUSALS
from service.models import Models
from serving.engine import Engine

from .model_cards import ModelCards
from .protocol import ModelCard, ModelDeleted, ModelList


def model_routes(engine: Engine, models: Models, adapters: Adapters) -> APIRouter:
    router = APIRouter(responses=REFUSALS)
    cards = ModelCards(models)

    @router.get(LIST_MODELS.path)
    @router.get(LIST_MODELS_TOO.path, include_in_schema=False)
    def list_models() -> ModelList:
        return ModelList(data=cards.list(engine.context_length))

    @router.get(FIND_MODEL.path)
    def find_model(model: str) -> ModelCard:
        return cards.find(model, engine.context_length)

    @router.delete(DELETE_MODEL.path)
    async def delete_model(model: str) -> ModelDeleted:
        if model == models.base_id:
            raise InvalidRequest(
                f"{model!r} is the base model, which every adapter needs. Adapters can be deleted.",
                "model",
            )
        await adapters.remove(await run_in_threadpool(models.version, model))
        return ModelDeleted(id=model)

    _ = (list_models, find_model, delete_model)
    return router
