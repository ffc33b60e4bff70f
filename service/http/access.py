"""Who may do what: decided for each request before its body is read."""

from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.accounts.caller import Caller, current_caller
from service.accounts.keyring import Keyring
from service.accounts.rate_limit import RateLimits
from service.errors import InvalidKey, RateLimited, ScopeMissing, StateUnavailable

from .endpoints import METRICS, NONE, Endpoint, find_endpoint
from .paths import endpoint_of, path_of
from .replies import reply_to
from .right_path import right_path

STRANGER = Caller(scopes=frozenset())  # asks where nobody needs a key


class Access:
    """Middleware that lets no request pass without the key and the scope that it needs."""

    def __init__(
        self, app: ASGIApp, keyring: Keyring, limits: RateLimits, *, metrics_open: bool = False
    ) -> None:
        self._app = app
        self._keyring = keyring
        self._limits = limits
        self._metrics_open = metrics_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        # Nothing here speaks WebSocket: whatever does, will have to ask for a key itself.
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = endpoint_of(scope)
        try:
            caller = await self._identify(scope, endpoint)
            left = self._limits.admit(caller, generates=endpoint.generates)
        except (InvalidKey, ScopeMissing, RateLimited, StateUnavailable) as error:
            await reply_to(error).response(scope, receive, send)
            return
        scope["caller"] = caller
        token = current_caller.set(caller)
        try:
            await self._app(scope, receive, _with_headers(send, left) if left else send)
        finally:
            current_caller.reset(token)

    async def _identify(self, scope: Scope, endpoint: Endpoint) -> Caller:
        if endpoint is METRICS and self._metrics_open:
            return STRANGER
        if endpoint is NONE:  # the answer names the one that it comes near
            endpoint = find_endpoint(scope["method"], right_path(scope) or "")
        if endpoint.needs == "nothing":
            return STRANGER
        caller = await self._keyring.identify(_secret(Headers(scope=scope)))
        if endpoint.needs != "key" and not caller.has(endpoint.needs):
            raise ScopeMissing(
                f"{scope['method']} {path_of(scope)} needs a key with the scope "
                f"{endpoint.needs}, which the key {caller.name!r} does not have."
            )
        return caller


def _secret(headers: Headers) -> str | None:
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return headers.get("x-api-key") or None


def _with_headers(send: Send, headers: Mapping[str, str]) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(headers)
        await send(message)

    return send_with_headers
