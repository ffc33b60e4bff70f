"""Who may do what: decided for each request before its body is read."""

from collections.abc import Mapping
from typing import Literal

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.accounts.caller import Caller, current_caller, paid_prompts
from service.accounts.caller import Scope as KeyScope
from service.accounts.keyring import Keyring
from service.accounts.rate_limit import RateLimits
from service.errors import InvalidKey, RateLimited, ScopeMissing, StateUnavailable, reply_to

from .paths import path_of
from .right_path import right_path

Need = Literal["nothing", "key"] | KeyScope
STRANGER = Caller(scopes=frozenset())  # asks where nobody needs a key
METRICS = "/metrics"
GENERATING = ("/v1/chat/completions", "/v1/completions")
# What is not here needs the scope admin, and so does whatever comes later. A path that ends in /
# stands for all that lies below it.
NEEDS: dict[tuple[str, str], Need] = {
    ("GET", "/health"): "nothing",
    ("GET", "/ready"): "nothing",
    ("GET", METRICS): "key",
    ("GET", "/docs"): "chat",
    ("GET", "/openapi.json"): "chat",
    ("GET", "/v1/models"): "chat",
    ("GET", "/v1/models/"): "chat",
    ("GET", "/v1/adapters"): "chat",
    ("GET", "/v1/adapters/"): "chat",
    ("GET", "/lora-adapters"): "chat",
    ("POST", "/v1/chat/completions"): "chat",
    ("POST", "/v1/completions"): "chat",
    ("POST", "/tokenize"): "chat",
    ("POST", "/detokenize"): "chat",
}


def need_of(method: str, path: str) -> Need:
    asked = "GET" if method == "HEAD" else method
    exact = NEEDS.get((asked, path))
    if exact is not None:
        return exact
    for (verb, start), need in NEEDS.items():
        if verb == asked and start.endswith("/") and path.startswith(start):
            return need
    return "admin"


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
        try:
            caller = await self._identify(scope)
            generates = path_of(scope) in GENERATING
            left = self._limits.admit(caller, generates=generates)
        except (InvalidKey, ScopeMissing, RateLimited, StateUnavailable) as error:
            await reply_to(error).response(scope, receive, send)
            return
        scope["caller"] = caller
        caller_token, prompts_token = current_caller.set(caller), paid_prompts.set([])
        try:
            await self._app(scope, receive, _with_headers(send, left) if left else send)
        finally:
            current_caller.reset(caller_token)
            paid_prompts.reset(prompts_token)

    async def _identify(self, scope: Scope) -> Caller:
        path = path_of(scope)
        need = need_of(scope["method"], path)
        if need == "admin":  # perhaps of no route's path: the answer names the one it comes near
            need = need_of(scope["method"], right_path(scope) or path)
        if need == "nothing" or (path == METRICS and self._metrics_open):
            return STRANGER
        caller = await self._keyring.identify(_secret(Headers(scope=scope)))
        if need != "key" and not caller.has(need):
            raise ScopeMissing(
                f"{scope['method']} {path} needs a key with the scope {need}, which the key "
                f"{caller.name!r} does not have."
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
