"""The FastAPI application: one engine and the routes on it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from serving.engine import Engine

from .chat_routes import chat_routes
from .completions import ChatCompletions
from .errors import answer_errors
from .health_routes import health_routes
from .model_routes import model_routes
from .models import Models
from .plain_path import PlainPath
from .settings import ServiceSettings


def build_app(engine: Engine, models: Models, settings: ServiceSettings) -> FastAPI:
    """The service on one engine, which lives as long as the application."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        await engine.start()
        try:
            yield
        finally:
            await engine.stop()

    app = FastAPI(title="lora-chat", version=version("lora-chat"), lifespan=lifespan)
    answer_errors(app)
    app.add_middleware(PlainPath)
    app.include_router(chat_routes(ChatCompletions(engine, models, settings)))
    app.include_router(model_routes(models))
    app.include_router(health_routes(engine, models))
    return app
