"""How patient the server is with a connection: for headers, for slow readers, and with how many."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from service.settings import ServiceSettings

from .replies import Reply

PHRASES = {400: "Bad Request", 408: "Request Timeout", 503: "Service Unavailable"}


class PatientProtocol(H11Protocol):
    """uvicorn's protocol, which by itself waits for ever for headers and for readers."""

    settings: ServiceSettings  # of the class that `http_protocol` makes

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_timer: asyncio.TimerHandle | None = None
        self._reader_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > self.settings.max_connections:
            self._answer(
                Reply(503, "The server has as many connections as it takes. Try again shortly.")
            )
        else:
            self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.is_closing() or self.conn.their_state is not h11.IDLE:
            self._head_timer = _stop(self._head_timer)
        elif self._head_timer is None:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_timer = _stop(self._head_timer)
        self._reader_timer = _stop(self._reader_timer)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read what it is sent; it may catch up."""
        super().pause_writing()
        seconds = self.settings.send_timeout
        self._reader_timer = self.loop.call_later(seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._reader_timer = _stop(self._reader_timer)
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        is_answering = cycle and cycle.response_started and not cycle.response_complete
        if not is_answering:
            self._answer(Reply(400, msg))
        self.transport.close()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.settings.header_timeout, self._give_up)

    def _give_up(self) -> None:
        self._head_timer = None
        has_begun = bool(self.conn.trailing_data[0])
        if has_begun and not self.transport.is_closing():
            self._answer(Reply(408, "The request's headers did not come in time."))
        self.transport.close()

    def _answer(self, reply: Reply) -> None:
        """Say it past all layers, which have no request to work on, and close."""
        body = reply.body.model_dump_json().encode()
        head = (
            f"HTTP/1.1 {reply.status} {PHRASES[reply.status]}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def http_protocol(settings: ServiceSettings) -> type[asyncio.Protocol]:
    """The protocol with these settings: uvicorn makes its instances itself."""
    return type("ConfiguredProtocol", (PatientProtocol,), {"settings": settings})


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
