"""The FastAPI application: routes translate and delegate, and notice when a client is gone."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TypeVar

import anyio
from fastapi import FastAPI, Request, Response
from sse_starlette import EventSourceResponse
from starlette.types import Receive, Scope, Send

from serving.engine import Engine

from .chat_request import ChatRequest
from .completions import ChatCompletions
from .errors import answer_errors
from .models import Models
from .protocol import ChatCompletion, ErrorBody, Health, ModelCard, ModelList
from .settings import ServiceSettings

CLIENT_GONE = 499  # nobody reads it; nginx's name for it in logs

Result = TypeVar("Result")


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
    _add_chat(app, ChatCompletions(engine, models, settings))
    _add_models(app, models)
    _add_health(app, engine, models)
    return app


def _add_chat(app: FastAPI, completions: ChatCompletions) -> None:
    @app.post(
        "/v1/chat/completions",
        response_model=ChatCompletion,
        responses={"4XX": {"model": ErrorBody}, "5XX": {"model": ErrorBody}},
    )
    async def create(chat: ChatRequest, request: Request) -> ChatCompletion | Response:
        gone = Response(status_code=CLIENT_GONE)
        if not chat.stream:
            return await while_connected(request, completions.answer(chat)) or gone
        # With its first event in hand, whatever could be refused has its own HTTP status.
        events = completions.stream(chat)
        first = await while_connected(request, anext(events))
        return EventStream(first, events) if first is not None else gone


def _add_models(app: FastAPI, models: Models) -> None:
    @app.get("/v1/models")
    def list_models() -> ModelList:
        return ModelList(data=models.list_cards())

    @app.get("/v1/models/{model:path}", responses={"4XX": {"model": ErrorBody}})
    def find_model(model: str) -> ModelCard:
        return models.find_card(model)


def _add_health(app: FastAPI, engine: Engine, models: Models) -> None:
    @app.get("/health")
    async def health() -> Health:
        stats = engine.stats()
        return Health(
            model=models.base_id,
            version=app.version,
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
        )


async def while_connected(request: Request, work: Awaitable[Result]) -> Result | None:
    """Await `work`, or cancel it and return None as soon as the client has gone."""
    with anyio.CancelScope() as scope:
        watch = asyncio.create_task(_cancel_when_gone(request, scope))
        try:
            return await work
        finally:
            watch.cancel()
    return None


async def _cancel_when_gone(request: Request, scope: anyio.CancelScope) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


class EventStream(EventSourceResponse):
    """Sends a first event and the rest, and closes the rest however the connection ends."""

    def __init__(self, first: str, rest: AsyncGenerator[str]) -> None:
        super().__init__(_chain(first, rest), sep="\n")
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await self._rest.aclose()


async def _chain(first: str, rest: AsyncGenerator[str]) -> AsyncGenerator[str]:
    yield first
    async for event in rest:
        yield event
