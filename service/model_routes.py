"""/v1/models: the base and the adapters."""

from fastapi import APIRouter

from .errors import REFUSALS
from .models import Models
from .protocol import ModelCard, ModelList


def model_routes(models: Models) -> APIRouter:
    router = APIRouter(responses=REFUSALS)

    @router.get("/v1/models")
    def list_models() -> ModelList:
        return ModelList(data=models.list_cards())

    @router.get("/v1/models/{model:path}")
    def find_model(model: str) -> ModelCard:
        return models.find_card(model)

    _ = (list_models, find_model)
    return router
