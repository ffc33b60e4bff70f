"""Pages of other sites may not use a server that asks nobody for a key.

Browsers let every page send some requests anywhere, whatever CORS says of reading the answers, and
the name of a stranger's site can be made to mean this machine (DNS rebinding). Where a key is
asked for, neither gets anybody further.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.accounts.caller import ANYBODY
from service.errors import NotAllowed
from service.settings import ServiceSettings, is_loopback

from .paths import endpoint_of
from .replies import MAX_SHOWN, reply_to


class BrowserGuard:
    """Middleware inside of what finds out who the caller is."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope.get("caller", ANYBODY) == ANYBODY:
            is_for_all = endpoint_of(scope).needs == "nothing"
            fault = None if is_for_all else self._fault(Headers(scope=scope))
            if fault is not None:
                await reply_to(NotAllowed(fault)).response(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _fault(self, headers: Headers) -> str | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if is_loopback(self._settings.host) and not self._is_own(host):
            return (
                f"Without keys this server answers to names of its own machine, not to "
                f"{host[:MAX_SHOWN]!r}. Its operator can make keys, or allow the name with the "
                "setting allowed_hosts."
            )
        if origin is None or self._may_call(origin) or _place(origin) == host:
            return None
        return (
            f"Pages of {origin[:MAX_SHOWN]!r} may not use this server. Its operator can allow them "
            "with the setting cors_origins."
        )

    def _is_own(self, host: str) -> bool:
        name = _name(host)
        return name is not None and (is_loopback(name) or name in self._settings.allowed_hosts)

    def _may_call(self, origin: str) -> bool:
        return not {origin, "*"}.isdisjoint(self._settings.cors_origins)


def _name(host: str) -> str | None:
    """The name in a Host header, without the port."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _place(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
