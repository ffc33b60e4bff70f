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
from finetune.hardware import Precision, pick_device, serving_precision
from serving.errors import EngineFailed
from serving.store import AdapterStore
from serving.torch_engine import TorchEngine, TorchEngineConfig

from .app import build_app
from .errors import ServiceError
from .models import Models
from .settings import ServiceSettings

logger = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class PortUnavailable(ServiceError):
    """The address cannot be listened on."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    base: str
    home: Path
    precision: Precision | None = None  # by the device
    max_batch: int = 16  # requests computed together
    context_length: int | None = None  # [tokens]; the base's own


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
            f"choose another with --port {port + 1}."
        ) from error
    return listener


def build_server(options: ServeOptions, settings: ServiceSettings) -> uvicorn.Server:
    """Find the base and put everything together; the engine starts with the server.

    Raises FinetuneError for the base and EngineUnsupported for its architecture.
    """
    base = find_base(options.base, options.home)
    device = pick_device()
    precision = options.precision or serving_precision(device)
    store = AdapterStore(options.home / "adapters", base.fingerprint)
    engine = TorchEngine(
        base.folder,
        base.tokenizer,
        TorchEngineConfig(
            precision=precision,
            device=device,
            max_rows=options.max_batch,
            context_length=options.context_length,
        ),
    )
    models = Models(base.id, base.tokenizer, store)
    logger.info("Loading %s in %s on %s", base.id, precision, device)
    app = build_app(engine, models, settings)
    config = uvicorn.Config(
        app, log_config=None, log_level="warning", timeout_graceful_shutdown=10, lifespan="on"
    )
    return _Server(config)


class _Server(uvicorn.Server):
    """Says when it is ready, which is after the base has been loaded."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            logger.info("Ready: http://%s:%d/v1 (Ctrl-C stops)", host, port)


def serve(server: uvicorn.Server, listener: socket.socket) -> None:
    """Serve until a signal asks to stop. Raises EngineFailed where the engine does not start."""
    if threading.current_thread() is threading.main_thread():
        # uvicorn raises the signal that it has obeyed once more; a stop on request is no failure.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
    asyncio.run(server.serve(sockets=[listener]))
    if not server.started:
        raise EngineFailed("The engine could not start; the log above says why.")


@contextmanager
def serving_in_background(options: ServeOptions) -> Generator[str]:
    """Serve on a free loopback port for as long as the block lasts; yields the URL."""
    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = build_server(options, ServiceSettings())
    thread = threading.Thread(target=serve, args=(server, listener), daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.05)
    if not server.started:
        raise EngineFailed("The engine could not start; the log above says why.")
    try:
        yield url
    finally:
        server.should_exit = True
        thread.join()
