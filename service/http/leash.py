"""Ends an answer from outside, with an error, wherever it stands."""

import asyncio
from collections.abc import AsyncGenerator

from serving.engine import Delta


class Leash:
    """Holds one answer. Timers for each token would cost more than all else done for a token."""

    def __init__(self) -> None:
        self._puller: asyncio.Task[object] | None = None  # who waits for the next token
        self._error: Exception | None = None

    def end(self, error: Exception) -> None:
        """Whoever waits for the next token, or asks for it later, gets the error instead."""
        if self._error is None:
            self._error = error
            if self._puller is not None:
                self._puller.cancel()

    async def pull(self, deltas: AsyncGenerator[Delta]) -> Delta | None:
        """The next one, None at the end. Raises the error that the answer was ended with."""
        if self._error is not None:
            raise self._error
        task = self._puller = asyncio.current_task()
        try:
            return await anext(deltas, None)
        except asyncio.CancelledError:
            # Cancelled by us alone: then nobody else wants this task to end.
            if self._error is not None and task is not None and task.uncancel() == 0:
                raise self._error from None
            raise
        finally:
            self._puller = None
