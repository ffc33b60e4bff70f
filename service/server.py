"""A server from its parts: base, adapter store, engine, application, listening socket."""

import asyncio
import logging
import signal
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from finetune.base import find_base
from finetune.hardware import pick_device
from serving.build import Precision, TorchEngineConfig
from serving.errors import EngineFailed
from serving.store import AdapterStore
from serving.torch_engine import TorchEngine

from .app import build_app
from .errors import ServiceError
from .models import Models
from .settings import ServiceSettings

logger = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "localhost", "::1")
GRACE = 5  # [seconds] that running answers have to end once the server is to stop
NOT_STARTED = "The engine could not start; the log above says why."


class PortUnavailable(ServiceError):
    """The address cannot be listened on."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    base: str
    home: Path
    precision: Precision = "auto"
    max_batch: int = 16  # requests computed together
    context_length: int | None = None  # [tokens]; the base's own
    is_compiled: bool = True
    kv_bytes: int = 2 << 30
    adapter_bytes: int = 4 << 30


def listen(host: str, port: int) -> socket.socket:
    """Bind before anything slow happens. Port 0 takes a free one. Raises PortUnavailable."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        raise PortUnavailable(
            f"Cannot listen on {host} port {port}: {error}. Stop the program that uses it, or "
            "choose another with --port (0 takes a free one)."
        ) from error
    return listener


def configure(options: ServeOptions, settings: ServiceSettings) -> uvicorn.Config:
    """Find the base and put everything together; the engine starts with the server.

    Raises FinetuneError for the base and EngineUnsupported for its architecture.
    """
    base = find_base(options.base, options.home)
    device = pick_device()
    store = AdapterStore(options.home / "adapters", base.fingerprint)
    engine = TorchEngine(
        base.folder,
        base.tokenizer,
        TorchEngineConfig(
            precision=options.precision,
            device=device,
            max_rows=options.max_batch,
            context_length=options.context_length,
            kv_bytes=options.kv_bytes,
            adapter_bytes=options.adapter_bytes,
            compiled=options.home / "compiled" if options.is_compiled else None,
        ),
        store.confirm,
    )
    models = Models(base.id, base.tokenizer, store)
    logger.info("Loading %s on %s", base.id, device)
    app = build_app(engine, models, settings)
    return uvicorn.Config(
        app, log_config=None, log_level="warning", timeout_graceful_shutdown=GRACE, lifespan="on"
    )


class _Server(uvicorn.Server):
    """Says when it is ready, which is after the base has been loaded."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            logger.info("Ready: %s/v1 (Ctrl-C stops)", _url(listener))


def serve(config: uvicorn.Config, listener: socket.socket) -> None:
    """Serve until a signal asks to stop. Raises EngineFailed where the engine does not start."""
    # uvicorn raises the signal that it has obeyed once more; a stop on request is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    try:
        asyncio.run(_Server(config).serve(sockets=[listener]))
    except SystemExit as error:  # uvicorn's way to say so
        raise EngineFailed(NOT_STARTED) from error


@contextmanager
def serving_in_background(options: ServeOptions) -> Generator[str]:
    """Serve on a free loopback port for as long as the block lasts; yields the URL."""
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(configure(options, ServiceSettings()))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.05)
    if not server.started:
        raise EngineFailed(NOT_STARTED)
    try:
        yield _url(listener)
    finally:
        server.should_exit = True
        thread.join()


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
