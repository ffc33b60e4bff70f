"""A server from its parts: base, adapter store, engine, application, listening socket."""

import asyncio
import gc
import logging
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from types import FrameType

import uvicorn
from sse_starlette.sse import AppStatus
from starlette.types import ASGIApp

from data.wording import N_, _
from serving.errors import EngineFailed

from .accounts.keys import Keys
from .app import build_app
from .engines import open_engine
from .errors import PortUnavailable, Stopping, TlsRefused
from .http.gate import Gate
from .http.patience import http_protocol
from .jobs.aliases import Aliases
from .jobs.jobs import Jobs
from .models import Models
from .running import Announcement
from .settings import ServiceSettings, is_loopback
from .state.read_only import open_served_state
from .telemetry.plain_start import PlainStart

logger = logging.getLogger(__name__)

LAST = 5  # [seconds] for the last bytes to leave, once all answers have ended
LOOK = 0.05  # [seconds] between two looks at who is still inside
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # where what listens on all is found from here
NOT_STARTED = N_("The engine could not start; the log above says why.")


def listen(host: str, port: int) -> socket.socket:
    """Bind before anything slow happens. Port 0 takes a free one. Raises PortUnavailable."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, the protocol lets asyncio send small pieces at once (TCP_NODELAY); otherwise each
    # answer on a kept connection waits 40 ms for the other side's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        _claim(listener)
        listener.bind((host, port))
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        told = _(
            "Cannot listen on {host} port {port}: {error}. Stop the program that uses it, or "
            "choose another with --port (0 takes a free one)."
        )
        raise PortUnavailable(told.format(host=host, port=port, error=error)) from error
    return listener


def _claim(listener: socket.socket) -> None:
    """Let the port be taken again at once after a stop, and by nobody else meanwhile."""
    if sys.platform == "win32":  # where SO_REUSEADDR would let two servers have one port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def check_certificate(settings: ServiceSettings) -> None:
    """Raises TlsRefused, before anything slow happens."""
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None or key is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except OSError as error:  # ssl.SSLError is one
        told = _(
            "Cannot use the certificate {certificate} with the key {key}: {error}. Both have to be "
            "PEM files that belong together, the key without a passphrase."
        )
        raise TlsRefused(told.format(certificate=certificate, key=key, error=error)) from error


def needs_keys(settings: ServiceSettings) -> bool:
    """Whether others could reach this address and would not be asked for a key.

    Raises StateUnavailable.
    """
    if is_loopback(settings.host):
        return False
    state = open_served_state(settings.home, settings.database)
    if state is None:
        return True
    with closing(state):
        return not Keys(state).are_demanded()


def configure(settings: ServiceSettings, gate: Gate, *, is_private: bool = False) -> uvicorn.Config:
    """Open the state, find the base, put all together; the engine starts with the server.

    A private server asks nobody for a key and counts nothing. Raises FinetuneError for the base,
    EngineUnsupported for its architecture, StateUnavailable.
    """
    state = None if is_private else open_served_state(settings.home, settings.database)
    if not is_private and (state is None or state.is_read_only):
        logger.warning(
            "%s may not be written: usage is not counted, and keys stay as they are", settings.home
        )
    if state is not None:
        _say_who_may_come(Keys(state))
    served = open_engine(settings)
    aliases = None if state is None else Aliases(Jobs(state), settings.home, served.store)
    models = Models(served.base_id, served.tokenizer, served.store, settings.plain_marks, aliases)
    return http_config(build_app(served.engine, models, settings, gate, state), settings)


def _say_who_may_come(keys: Keys) -> None:
    if keys.are_demanded():
        num_valid = sum(key.is_valid(time.time()) for key in keys.all())
        logger.info("Every request needs a key; %d are valid (lora-chat keys list)", num_valid)


def http_config(app: ASGIApp, settings: ServiceSettings) -> uvicorn.Config:
    """How uvicorn serves an application by these settings."""
    return uvicorn.Config(
        PlainStart(app),
        http=http_protocol(settings),
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning" if settings.log_level == "info" else settings.log_level,
        access_log=False,
        server_header=False,
        root_path=settings.root_path,
        forwarded_allow_ips=list(settings.forwarded_allow_ips),
        timeout_keep_alive=settings.keep_alive,
        timeout_graceful_shutdown=LAST,
        reset_contextvars=True,  # no request speaks the language of the one before
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
    )


class GracefulServer(uvicorn.Server):
    """Says when it is ready, which is after the base has been loaded, and stops in good order."""

    def __init__(
        self,
        config: uvicorn.Config,
        gate: Gate,
        grace: float,
        announcement: Announcement | None = None,
        *,
        has_page: bool = False,
    ) -> None:
        super().__init__(config)
        self._gate = gate
        self._grace = grace  # [seconds]
        self._announcement = announcement
        self._has_page = has_page

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._gate.close()  # also where it has not opened yet
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What lives as long as the server is not looked through again while answers are computed.
        gc.collect()
        gc.freeze()
        for listener in sockets or []:
            if self._announcement is not None:
                self._announcement.make(url_of(listener, self.config.is_ssl, from_here=True))
            here = url_of(listener, self.config.is_ssl, from_here=True)
            page = f"page: {here}/; " if self._has_page else ""
            url = url_of(listener, self.config.is_ssl)
            logger.info("Ready: %s/v1 (%sCtrl-C stops)", url, page)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; until all answers have ended, whoever comes is told that the server is stopping."""
        if self._announcement is not None:
            self._announcement.withdraw()
        self._gate.close()
        if self._gate.num_inside:
            logger.info(
                "Stopping: %d requests have %g seconds to end", self._gate.num_inside, self._grace
            )
        await self._wait_until_empty(self._grace)
        self._gate.end_answers(Stopping())
        self.force_exit = False  # a second Ctrl-C ends the answers, a third one everything
        await self._wait_until_empty(LAST)
        await super().shutdown(sockets)

    async def _wait_until_empty(self, seconds: float) -> None:
        """Returns early when nobody is inside, or the operator does not want to wait."""
        end = time.monotonic() + seconds
        while self._gate.num_inside and not self.force_exit and time.monotonic() < end:
            await asyncio.sleep(LOOK)


def serve(
    config: uvicorn.Config,
    listener: socket.socket,
    gate: Gate,
    grace: float,
    announcement: Announcement | None = None,
    *,
    has_page: bool = False,
) -> None:
    """Serve until a signal asks to stop; the announcement tells others while it is ready.

    Raises EngineFailed where the engine does not start.
    """
    # uvicorn raises the signal that it has obeyed once more; a stop on request is no failure.
    obeyed: set[int] = set()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: obeyed.add(number))
    # sse-starlette would cut all streams as soon as it sees that the server is to stop.
    AppStatus.disable_automatic_graceful_drain()
    try:
        server = GracefulServer(config, gate, grace, announcement, has_page=has_page)
        asyncio.run(server.serve(sockets=[listener]))
    except SystemExit as error:  # uvicorn's way to say so
        raise EngineFailed(_(NOT_STARTED)) from error
    if signal.SIGINT in obeyed:  # somebody sits there
        logger.info("The server has stopped.")


@contextmanager
def serving_in_background(settings: ServiceSettings, *, is_private: bool = True) -> Generator[str]:
    """Serve on a free loopback port for as long as the block lasts; yields the URL."""
    listener = listen("127.0.0.1", 0)
    quiet = settings.model_copy(update={"log_requests": False})  # a person reads this terminal
    server = uvicorn.Server(configure(quiet, Gate(), is_private=is_private))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.05)
    if not server.started:
        raise EngineFailed(_(NOT_STARTED))
    try:
        yield url_of(listener)
    finally:
        server.should_exit = True
        thread.join()


def url_of(listener: socket.socket, is_encrypted: bool = False, *, from_here: bool = False) -> str:
    """The server's address as it listens, or as programs on this machine reach it."""
    name: tuple[str, int] = listener.getsockname()[:2]
    host, port = name
    host = ANYWHERE.get(host, host) if from_here else host
    scheme = "https" if is_encrypted else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
