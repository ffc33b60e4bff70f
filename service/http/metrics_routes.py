"""/metrics, as Prometheus reads it."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from service.telemetry.metrics import Metrics

from .endpoints import METRICS


def metrics_routes(metrics: Metrics) -> APIRouter:
    router = APIRouter()

    @router.get(METRICS.path, response_class=Response)
    def show() -> Response:
        return Response(metrics.page(), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    _ = show
    return router
