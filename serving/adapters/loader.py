"""Adapters from disk, beside the engine's thread: running requests go on meanwhile."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Generic, TypeVar

from serving.engine import AdapterRef

Loaded = TypeVar("Loaded")


class AdapterLoader(Generic[Loaded]):
    """Loads each adapter once, however many requests ask for it at the same time."""

    def __init__(self, load: Callable[[AdapterRef], Loaded]) -> None:
        self._load = load
        self._loading: dict[str, asyncio.Future[Loaded]] = {}

    async def load(self, ref: AdapterRef) -> Loaded:
        """Raises AdapterRefused."""
        loading = self._loading.get(ref.sha256)
        if loading is None:
            loading = asyncio.wrap_future(in_thread(partial(self._load, ref)))
            self._loading[ref.sha256] = loading
            loading.add_done_callback(lambda _: self._loading.pop(ref.sha256))
        return await asyncio.shield(loading)


def in_thread(action: Callable[[], Loaded]) -> Future[Loaded]:
    """Run in a thread that ends with it: OpenMP keeps a team for every thread that has computed
    something, and once teams outnumber the cores, the engine's own waits asleep: twice as slow."""
    future: Future[Loaded] = Future()

    def run() -> None:
        try:
            future.set_result(action())
        except BaseException as error:  # noqa: BLE001 - handed to whoever awaits it
            future.set_exception(error)

    threading.Thread(target=run, name="adapter", daemon=True).start()
    return future
