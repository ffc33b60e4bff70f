"""Who is let in, who is inside, and how those inside are brought to an end."""

from collections.abc import Mapping
from typing import Literal

from starlette.types import ASGIApp, Receive, Scope, Send

from .leash import Leash
from .paths import endpoint_of
from .replies import Reply

RETRY_AFTER = "5"  # [seconds]; another server may be up by then
AWAY = "30"  # [seconds] while a job is trained
REASONS = {
    "starting": "The server is starting: the base is not loaded yet.",
    "stopping": "The server is stopping and takes no more requests. Try again shortly.",
}
ASIDE = "The server trains at the moment: it answers again when the job is done."


class Gate:
    """Opened when the engine has started, closed for good when the server is to stop."""

    def __init__(self) -> None:
        self.state: Literal["starting", "open", "stopping"] = "starting"
        self.is_aside = False  # whether the engine has left memory to a job
        self.num_inside = 0  # requests that are being answered
        self.leashes: set[Leash] = set()  # of the answers that the engine computes

    @property
    def reason(self) -> str | None:
        """Why nobody is let in; None if they are."""
        return REASONS.get(self.state)

    def open(self) -> None:
        if self.state == "starting":
            self.state = "open"

    def close(self) -> None:
        self.state = "stopping"

    def end_answers(self, error: Exception) -> None:
        """End all running answers with an error."""
        for leash in list(self.leashes):
            leash.end(error)


class GateKeeper:
    """Answers 503 in place of the application while the gate is closed, except to probes."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (endpoint := endpoint_of(scope)).is_probe:
            await self._app(scope, receive, send)
        elif self._gate.reason is not None:
            headers = {"Retry-After": RETRY_AFTER, "Connection": "close"}
            await _refuse(self._gate.reason, headers)(scope, receive, send)
        elif self._gate.is_aside and endpoint.needs_engine:
            await _refuse(ASIDE, {"Retry-After": AWAY})(scope, receive, send)
        else:
            self._gate.num_inside += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._gate.num_inside -= 1


def _refuse(reason: str, headers: Mapping[str, str]) -> ASGIApp:
    return Reply(503, reason, code="server_unavailable", headers=headers).response
