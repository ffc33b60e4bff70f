"""What a server has been given and has proven to answer with, and whether it still has it.

A blend is pushed when it is first asked for. A server that has restarted has forgotten everything:
that is seen by the names it lists, every few seconds and whenever it refuses one, and then all is
pushed and proven anew before it is asked for. What it lists is asked for a proof from time to time,
too: it may be there and no longer be what it was.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

from serving.engine import AdapterRef, Blend
from serving.errors import AdapterRefused

from .client import ServerAway
from .proving import Prover
from .pushed import Pushed, push_name
from .pushing import Pusher, shown

MOST = 256  # names that a server keeps although nobody asks them

logger = logging.getLogger(__name__)


@dataclass
class Resident:
    blend: Blend
    pushed: Pushed
    proven_at: float = 0.0  # [seconds]
    num_users: int = 0
    is_leaving: bool = False  # once nobody uses it


class Residents:
    """What one server holds of ours. All methods belong to the event loop."""

    def __init__(self, base: str, pusher: Pusher, prover: Prover) -> None:
        """`base` is the server's own name for it."""
        self.num_loads = 0
        self.num_evictions = 0
        self._base = base
        self._pusher = pusher
        self._prover = prover
        self._proven: OrderedDict[str, Resident] = OrderedDict()  # asked last, last
        self._pushing: dict[str, tuple[Blend, asyncio.Task[Resident]]] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def names(self) -> tuple[str, ...]:
        """Adapters and blends, as they were pushed."""
        return tuple(name for name, resident in self._proven.items() if resident.blend)

    def holds(self, name: str) -> bool:
        return name in self._proven

    @asynccontextmanager
    async def using(self, blend: Blend) -> AsyncGenerator[str]:
        """The name to ask by; it stays for as long as the block lasts.

        Raises AdapterRefused, EngineFailed and ServerAway.
        """
        name = push_name(blend)
        resident = self._proven.get(name) or await self._pushed(name, blend)
        resident.num_users += 1
        if name in self._proven:  # the server may have forgotten it since
            self._proven.move_to_end(name)
        try:
            await self._make_room()
            yield name
        finally:
            resident.num_users -= 1
            if resident.is_leaving and not resident.num_users:
                await self._unload(name, resident)

    def abandon(self) -> list[asyncio.Task[Resident]]:
        """End what is being pushed; whoever waits for it is told that the server is away."""
        tasks = [task for _, task in self._pushing.values()]
        for task in tasks:
            task.cancel()
        return tasks

    async def close(self) -> None:
        await asyncio.gather(*self.abandon(), return_exceptions=True)

    async def drop(self, ref: AdapterRef) -> None:
        """Take an adapter from the server, with all blends that it is part of: at once, or as soon
        as nobody uses them."""
        if coming := [task for blend, task in self._pushing.values() if _has(blend, ref)]:
            await asyncio.wait(coming)
        for name, resident in [*self._proven.items()]:
            if _has(resident.blend, ref):
                resident.is_leaving = True
                self._prover.forget(name)
                if not resident.num_users:
                    await self._unload(name, resident)

    async def forget(self, listed: Collection[str], asked_at: float) -> list[Blend]:
        """Forget what the server no longer lists, of what it had when it was asked for its list
        [seconds]; returns it, what was asked for last first."""
        lost = [
            (name, resident)
            for name, resident in reversed(self._proven.items())
            if name not in listed and resident.proven_at < asked_at
        ]
        for name, _ in lost:
            del self._proven[name]
        for _, resident in lost:
            await asyncio.to_thread(resident.pushed.remove)
        return [resident.blend for _, resident in lost if not resident.is_leaving]

    async def check(self) -> bool:
        """Have the one that was proven longest ago proven again; one that answers otherwise is
        taken away, to be pushed anew when it is asked for. False where that is the base: with it
        goes all that was proven beside it. Raises ServerAway and EngineFailed."""
        if not self._proven:
            return True
        name, resident = min(self._proven.items(), key=lambda each: each[1].proven_at)
        resident.proven_at = time.monotonic()
        if await self._prover.still_answers(name):
            return True
        logger.warning("A server no longer answers as it did with %s", name)
        is_base = not resident.blend
        for each in [*self._proven.items()] if is_base else [(name, resident)]:
            await self._unload(*each)
        return not is_base

    async def _pushed(self, name: str, blend: Blend) -> Resident:
        """Push it for all who ask meanwhile, also where they no longer wait for it."""
        if name not in self._pushing:
            begun = asyncio.create_task(self._push(name, blend))
            self._pushing[name] = blend, begun
            begun.add_done_callback(self._end_push)
        _, task = self._pushing[name]
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled() and not _is_cancelled():  # the push has been, and nobody else
                raise ServerAway("The vLLM server does not answer any more.") from None
            raise

    def _end_push(self, task: asyncio.Task[Resident]) -> None:
        self._pushing = {n: each for n, each in self._pushing.items() if each[1] is not task}
        if not task.cancelled():
            task.exception()  # whoever still waits is told

    async def _push(self, name: str, blend: Blend) -> Resident:
        async with self._lock(name):
            pushed = await self._pusher.prepare(blend)
            resident = Resident(blend, pushed)
            try:
                await self._pusher.load(pushed, blend)
                await self._prove(name, blend)
            except asyncio.CancelledError:
                pushed.remove()
                raise
            except Exception as error:
                await self._pusher.take_away(pushed)
                if blend and isinstance(error, AdapterRefused):  # or is it the server that fails?
                    await self._prover.still_answers(push_name(()))
                raise
            self.num_loads += 1
            resident.proven_at = time.monotonic()
            self._proven[name] = resident
        return resident

    async def _prove(self, name: str, blend: Blend) -> None:
        if not blend:
            await self._prover.prove_base(name, self._base)
            return
        async with self.using(()) as zeros:
            await self._prover.prove(name, zeros, shown(blend))

    async def _make_room(self) -> None:
        """Take those from the server that were not asked for longest; never the base."""
        for name, resident in [*self._proven.items()]:
            if len(self._proven) <= MOST:
                return
            if resident.blend and not resident.num_users:
                await self._unload(name, resident)
                self.num_evictions += 1

    async def _unload(self, name: str, resident: Resident) -> None:
        async with self._lock(name):
            if self._proven.get(name) is resident:
                del self._proven[name]
                await self._pusher.take_away(resident.pushed)

    def _lock(self, name: str) -> asyncio.Lock:
        """One for whatever changes what the server has by a name."""
        return self._locks.setdefault(name, asyncio.Lock())


def _has(blend: Blend, ref: AdapterRef) -> bool:
    return any(ref.sha256 == one.sha256 for one, _ in blend)


def _is_cancelled() -> bool:
    """Whether somebody has cancelled the task that runs."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
