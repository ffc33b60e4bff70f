"""/v1/models: the base and the adapters."""

from fastapi import APIRouter

from service.adapters.adapters import Adapters
from service.errors import REFUSALS, InvalidRequest
from service.models import Models
from serving.engine import Engine

from .protocol import ModelCard, ModelDeleted, ModelList


def model_routes(engine: Engine, models: Models, adapters: Adapters) -> APIRouter:
    router = APIRouter(responses=REFUSALS)

    @router.get("/v1/models")
    @router.get("/v1/models/", include_in_schema=False)  # would be a model without a name
    def list_models() -> ModelList:
        return ModelList(data=models.list_cards(engine.context_length))

    @router.get("/v1/models/{model:path}")
    def find_model(model: str) -> ModelCard:
        return models.find_card(model, engine.context_length)

    @router.delete("/v1/models/{model:path}")
    async def delete_model(model: str) -> ModelDeleted:
        if model == models.base_id:
            raise InvalidRequest(
                f"{model!r} is the base model, which every adapter needs. Adapters can be deleted.",
                "model",
            )
        await adapters.remove(model)
        return ModelDeleted(id=model)

    _ = (list_models, find_model, delete_model)
    return router
