"""The outermost layer of the application: names each request, counts it, and logs it at its end."""

import logging
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.telemetry.logs import printable
from service.telemetry.metrics import Metrics
from service.telemetry.request_record import HEADER, RequestRecord, choose_id, current_record

from .endpoints import ENDPOINTS
from .paths import path_of

logger = logging.getLogger(__name__)

SECURITY_HEADERS = [(b"x-content-type-options", b"nosniff")]
PROBES = frozenset(each.path for each in ENDPOINTS if each.is_probe)
OTHER = "other"  # every path that no route has


class Recorder:
    """Also answers for the headers that every response has, errors included."""

    def __init__(self, app: ASGIApp, metrics: Metrics, *, logs_requests: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._logs_requests = logs_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = RequestRecord(choose_id(scope["headers"]))
        current_record.set(record)  # for the task of this request, and those it starts

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                named = [(HEADER, record.id.encode()), *SECURITY_HEADERS]
                message["headers"] = [*message.get("headers", ()), *named]
            await send(message)

        try:
            await self._app(scope, receive, send_named)
        finally:
            self._tell(scope, record)

    def _tell(self, scope: Scope, record: RequestRecord) -> None:
        endpoint = getattr(scope.get("route"), "path", OTHER)
        self._metrics.count_request(endpoint, record)
        if self._logs_requests:
            level = logging.DEBUG if endpoint in PROBES else logging.INFO
            line = "%s %s %s", scope["method"], printable(path_of(scope)), record.status
            logger.log(level, *line, extra={"fields": _fields(scope, record)})


def _fields(scope: Scope, record: RequestRecord) -> dict[str, Any]:
    first = record.first_token
    fields = {
        "method": scope["method"],
        "path": path_of(scope),
        "status": record.status,
        "model": record.model,
        "adapters": "+".join(record.adapters),
        "prompt_tokens": record.prompt_tokens,
        "completion_tokens": record.completion_tokens,
        "first_token_ms": None if first is None else round(first * 1000, 1),
        "total_ms": round(record.seconds * 1000, 1),
        "finish": record.outcome,
        "key": getattr(scope.get("caller"), "name", None),
        "prompt": record.prompt,
        "answers": ["".join(texts) for texts in record.answers.values()],
    }
    return {name: value for name, value in fields.items() if value not in (None, "", [], 0)}
