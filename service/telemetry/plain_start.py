"""A start that fails for a reason that is known: its sentence is logged, and no traceback."""

import sys

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from finetune.errors import FinetuneError
from serving.errors import ServingError


class PlainStart:
    """Stands around the whole application. What nobody has foreseen keeps its traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            return await self._app(scope, receive, send)

        async def tell(message: Message) -> None:
            error = sys.exception()  # which is on its way while the failure is told
            is_known = isinstance(error, (ServingError, FinetuneError))
            if message["type"] == "lifespan.startup.failed" and is_known:
                message = {**message, "message": str(error)}
            await send(message)

        return await self._app(scope, receive, tell)
