"""The FastAPI application: one engine and the routes on it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Lifespan

from serving.engine import Engine

from .adapter_routes import adapter_routes
from .adapters import Adapters
from .body_limit import BodyLimit
from .chat_routes import chat_routes
from .completions import ChatCompletions
from .docs_routes import docs_routes
from .errors import answer_errors
from .gate import Gate, GateKeeper
from .health_routes import health_routes
from .intake import Intake
from .limited_engine import LimitedEngine
from .lora_loading import LoraLoading
from .lora_routes import lora_routes
from .metrics import Metrics
from .metrics_routes import metrics_routes
from .model_routes import model_routes
from .models import Models
from .observed_engine import ObservedEngine
from .recorder import Recorder
from .settings import ServiceSettings
from .watch import watching

VERSION = version("lora-chat")


class Service(FastAPI):
    """FastAPI with one layer around everything, the answers to unexpected errors included."""

    def __init__(self, metrics: Metrics, settings: ServiceSettings, **options: Any) -> None:
        super().__init__(**options)
        self._metrics = metrics
        self._logs_requests = settings.log_requests

    def build_middleware_stack(self) -> ASGIApp:
        inner = super().build_middleware_stack()
        return Recorder(inner, self._metrics, logs_requests=self._logs_requests)


def build_app(
    engine: Engine, models: Models, settings: ServiceSettings, gate: Gate | None = None
) -> FastAPI:
    """The service on one engine, which lives as long as the application."""
    gate = gate or Gate()
    metrics = Metrics(engine, models.base_id, VERSION, settings.metric_names)
    engine = LimitedEngine(engine, settings, gate)
    engine = ObservedEngine(engine, metrics, models.decode if settings.log_content else None)
    app = Service(
        metrics,
        settings,
        title="lora-chat",
        version=VERSION,
        lifespan=_lifespan(engine, models, gate),
        docs_url=None,
        redoc_url=None,
    )
    answer_errors(app)
    _add_layers(app, settings, gate)
    app.include_router(chat_routes(ChatCompletions(engine, models, settings)))
    _add_adapters(app, engine, models, settings)
    app.include_router(health_routes(engine, models, gate))
    app.include_router(metrics_routes(metrics))
    app.include_router(docs_routes())
    return app


def _add_adapters(app: FastAPI, engine: Engine, models: Models, settings: ServiceSettings) -> None:
    """Everything that lists adapters, takes them in or lets them go."""
    adapters = Adapters(engine, models.store)
    intake = Intake(engine, models.store, models.base_id, settings.upload_limit)
    loading = LoraLoading(engine, adapters, intake, settings.lora_folders)
    app.include_router(model_routes(engine, models, adapters))
    app.include_router(adapter_routes(adapters, intake))
    app.include_router(lora_routes(loading, models))


def _lifespan(engine: Engine, models: Models, gate: Gate) -> Lifespan[FastAPI]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        await engine.start()
        gate.open()
        try:
            async with watching(engine, models.store):
                yield
        finally:
            gate.close()
            await engine.stop()

    return lifespan


def _add_layers(app: FastAPI, settings: ServiceSettings, gate: Gate) -> None:
    """What a request passes on its way to the routes; the last one here is the first."""
    app.add_middleware(BodyLimit, settings=settings)
    app.add_middleware(GateKeeper, gate=gate)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-Api-Key", "X-Request-Id"],
            expose_headers=["X-Request-Id", "Retry-After"],
        )
