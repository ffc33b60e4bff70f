"""The FastAPI application: one engine and the routes on it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any, get_args

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Lifespan

from serving.engine import Engine, HasServers
from serving.errors import EngineFailed

from .accounts.charging import Charging
from .accounts.keyring import Keyring
from .accounts.keys import Keys
from .accounts.rate_limit import RATE_LIMIT_HEADERS, RateLimits
from .accounts.usage import UsageLedger
from .adapters.adapters import Adapters
from .adapters.intake import Intake
from .adapters.lora_loading import LoraLoading
from .adapters.lora_routes import lora_routes
from .adapters.routes import adapter_routes
from .adapters.watch import watching
from .answering.answering import Answering
from .answering.limits import AnswerLimits
from .answering.metering import Metering
from .api.chat.completions import ChatCompletions
from .api.chat_routes import chat_routes
from .api.engine_request import EngineRequests
from .api.feedback.routes import feedback_routes
from .api.files.filing import Filing
from .api.files.routes import file_routes
from .api.fine_tuning.fine_tuning import FineTuning
from .api.fine_tuning.fit import Fit
from .api.fine_tuning.routes import fine_tuning_routes
from .api.health_routes import health_routes
from .api.improving.routes import improving_routes
from .api.me.routes import me_routes
from .api.model_routes import model_routes
from .api.stored.routes import stored_routes
from .api.text.completions import TextCompletions
from .api.text_routes import text_routes
from .api.tokens.routes import token_routes
from .api.tokens.tokenization import Tokenization
from .feedback.keeping import Keeping
from .http.access import Access
from .http.body_limit import BodyLimit
from .http.browser_guard import BrowserGuard
from .http.docs import docs_routes
from .http.endpoints import OPENAPI, Method
from .http.gate import Gate, GateKeeper
from .http.metrics_routes import metrics_routes
from .http.plain_path import PlainPath
from .http.recorder import Recorder
from .http.replies import answer_errors
from .http.right_path import tell_right_paths
from .improving.effects import Effects
from .improving.improver import Improver
from .improving.moves import Moves
from .improving.schedule import Schedule
from .inspection.machine import MachineInspection
from .inspection.routes import inspection_routes
from .inspection.servers import server_routes
from .inspection.versions import VersionInspection
from .jobs.planning import Planning
from .jobs.workshop import Workshop, open_workshop
from .models import Models
from .settings import ServiceSettings
from .state.database import State
from .telemetry.metrics import Metrics
from .web.routes import page_routes

VERSION = version("lora-chat")
LOOK = 0.1  # [seconds] between two looks at whether a start is still wanted


class Service(FastAPI):
    """FastAPI whose first layer stands around all else: answers to unexpected errors, too."""

    def __init__(self, layers: Sequence[Middleware], **options: Any) -> None:
        self._first, *inner = layers
        super().__init__(middleware=inner, **options)

    def build_middleware_stack(self) -> ASGIApp:
        layer, positional, named = self._first
        return layer(super().build_middleware_stack(), *positional, **named)


def build_app(
    engine: Engine,
    models: Models,
    settings: ServiceSettings,
    gate: Gate | None = None,
    state: State | None = None,
) -> FastAPI:
    """The service on one engine, which lives as long as the application.

    Without a state there are no keys: everybody may do everything, and nothing is counted.
    """
    gate, rates = gate or Gate(), RateLimits()
    ledger = None if state is None else UsageLedger(state)
    metrics = Metrics(engine, models.base_id, VERSION, settings.metric_names)
    metering = Metering(
        metrics,
        None if ledger is None else Charging(rates, ledger),
        models.decode if settings.log_content else None,
    )
    answering = Answering(engine, models.base_id, AnswerLimits(settings, gate), metering)
    workshop = open_workshop(engine, models, settings, gate, state, metrics)
    filing = Filing(workshop and workshop.files, settings)
    keeping, improver = Keeping(state, settings), Improver(settings)
    app = Service(
        _layers(settings, metrics, gate, rates, state),
        title="lora-chat",
        version=VERSION,
        lifespan=_lifespan(
            engine, models, gate, ledger, filing, workshop, keeping, improver, settings
        ),
        redirect_slashes=False,  # it would answer with a URL of the client's own Host header
        openapi_url=OPENAPI.path,
        docs_url=None,
        redoc_url=None,
    )
    answer_errors(app)
    tell_right_paths(app)
    _add_answers(app, answering, engine, models, settings, keeping)
    _add_adapters(app, engine, models, settings, keeping, improver)
    app.include_router(file_routes(filing))
    app.include_router(fine_tuning_routes(_fine_tuning(workshop, models, settings, gate)))
    app.include_router(health_routes(engine, models, gate))
    app.include_router(metrics_routes(metrics))
    app.include_router(docs_routes())
    app.include_router(me_routes(keeping))
    if settings.page:
        app.include_router(page_routes())
    return app


def _add_answers(
    app: FastAPI,
    answering: Answering,
    engine: Engine,
    models: Models,
    settings: ServiceSettings,
    keeping: Keeping,
) -> None:
    """Everything that a model is asked."""
    requests = EngineRequests(engine, settings)
    chats = ChatCompletions(answering, requests, models, settings, keeping)
    texts = TextCompletions(answering, requests, models, settings)
    app.include_router(chat_routes(chats))
    effects = Effects(keeping.state, keeping.place, settings.home)
    app.include_router(stored_routes(keeping, effects))
    app.include_router(feedback_routes(keeping, effects))
    app.include_router(text_routes(texts))
    app.include_router(token_routes(Tokenization(engine, models, settings)))


def _add_adapters(
    app: FastAPI,
    engine: Engine,
    models: Models,
    settings: ServiceSettings,
    keeping: Keeping,
    improver: Improver,
) -> None:
    """Everything that lists adapters, takes them in, improves them or lets them go."""
    state = keeping.state
    moves = None if state is None else Moves(state, keeping.place, settings.home)
    adapters = Adapters(engine, models.store, moves)
    intake = Intake(engine, models.store, models.base_id, settings.upload_limit)
    loading = LoraLoading(engine, adapters, intake, settings.lora_folders)
    app.include_router(model_routes(engine, models, adapters))
    app.include_router(adapter_routes(adapters, intake))
    app.include_router(improving_routes(keeping, improver, adapters, settings.home))
    app.include_router(lora_routes(loading, models))
    app.include_router(server_routes(engine))
    machine = MachineInspection(engine, models.base_id, settings.home)
    app.include_router(inspection_routes(VersionInspection(models.store), machine))


def _fine_tuning(
    workshop: Workshop | None, models: Models, settings: ServiceSettings, gate: Gate
) -> FineTuning | None:
    if workshop is None:
        return None
    files = workshop.files
    return FineTuning(
        workshop.state,
        workshop.desk,
        files,
        models,
        settings.base,
        Planning(settings.home, lambda file_id: files.path(files.find(file_id))),
        Fit(settings.base, settings.home, is_exclusive=settings.jobs == "exclusive"),
        gate,
        workshop.watch.wake,
    )


def _lifespan(
    engine: Engine,
    models: Models,
    gate: Gate,
    ledger: UsageLedger | None,
    filing: Filing,
    workshop: Workshop | None,
    keeping: Keeping,
    improver: Improver,
    settings: ServiceSettings,
) -> Lifespan[FastAPI]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            await _start(engine, gate)
            if ledger is not None:
                ledger.start()
                stack.push_async_callback(run_in_threadpool, ledger.stop)
            stack.push_async_callback(engine.stop)
            stack.callback(gate.close)
            gate.open()
            await stack.enter_async_context(watching(engine, models.store))
            await stack.enter_async_context(filing.running())
            await stack.enter_async_context(keeping.sweeping())
            await stack.enter_async_context(improver.running())
            if settings.improve == "weekly" and keeping.state is not None:
                schedule = Schedule(settings, keeping.state, keeping.place, improver)
                await stack.enter_async_context(schedule.running())
            if workshop is not None:
                await stack.enter_async_context(workshop.watch.watching())
            yield

    return lifespan


async def _start(engine: Engine, gate: Gate) -> None:
    """Start it. Where that means minutes of waiting for another program, whoever stops the server
    meanwhile need not wait, too. Raises EngineFailed."""
    starting = asyncio.create_task(engine.start())
    while not starting.done():
        await asyncio.wait([starting], timeout=LOOK)
        if gate.state == "stopping" and isinstance(engine, HasServers):
            starting.cancel()
            await asyncio.wait([starting])  # once: another would break off how it ends
    if starting.cancelled():
        raise EngineFailed("The server was stopped while it started.")
    await starting


def _layers(
    settings: ServiceSettings,
    metrics: Metrics,
    gate: Gate,
    rates: RateLimits,
    state: State | None,
) -> list[Middleware]:
    """The layers in the order in which a request meets them."""
    layers: list[Middleware | None] = [
        Middleware(Recorder, metrics, logs_requests=settings.log_requests),
        _pages_elsewhere(settings) if settings.cors_origins else None,
        Middleware(GateKeeper, gate),
        Middleware(PlainPath),
        None if state is None else _access(settings, rates, state),
        Middleware(BrowserGuard, settings),
        Middleware(BodyLimit, settings),
    ]
    return [layer for layer in layers if layer is not None]


def _pages_elsewhere(settings: ServiceSettings) -> Middleware:
    return Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=get_args(Method),
        allow_headers=["Authorization", "Content-Type", "X-Api-Key", "X-Request-Id"],
        expose_headers=["X-Request-Id", "Retry-After", *RATE_LIMIT_HEADERS],
    )


def _access(settings: ServiceSettings, rates: RateLimits, state: State) -> Middleware:
    keyring = Keyring(Keys(state))
    return Middleware(Access, keyring, rates, metrics_open=settings.metrics_open)
