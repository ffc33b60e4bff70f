"""All servers of an engine: which of them takes a request, and what each is to have."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.engine import AdapterRef, Blend, Request, ServerStats
from serving.errors import EngineAway, EngineFailed, ServingError
from serving.torch.encoder import Confirm

from .client import ServerAway, VllmClient
from .process.own import OwnConfig
from .proof import References
from .proving import Prover
from .pushed import Layer, model_of, push_name
from .pushing import Pusher
from .residents import Residents
from .routing import Router, homes_of, ranked
from .server import VllmServer

PATIENCE = 10.0  # [seconds] that a request waits for a server to be there
FIRST_LOOK = 10.0  # [seconds] for those beside one that is there
PAUSE = 0.05  # [seconds] from one look for such a server to the next

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class VllmConfig:
    urls: tuple[str, ...]  # of the servers; that of `own` is not known before it runs
    zeroed: Layer  # of the base, that an adapter of zeros is for
    kept: Path  # where blends are written while it runs; servers see it under the same path
    key: str | None = None  # that the servers ask for
    context_length: int | None = None  # [tokens]; the servers' own if None
    max_requests: int = 272  # running and waiting; the servers have queues of their own
    own: OwnConfig | None = None  # a server that is started and ended here


class Fleet:
    """Belongs to the event loop, from `start` to `stop`."""

    def __init__(
        self,
        config: VllmConfig,
        prompt_ids: Sequence[int],
        kept: Path,
        confirm: Confirm | None,
        draining: set[str],
    ) -> None:
        """`prompt_ids` is what servers prove their adapters with, `kept` where blends are
        written, `confirm` is Pusher's, `draining` the URLs of servers that are drained."""
        self._config = config
        self._prompt_ids = prompt_ids
        self._kept = kept
        self._confirm = confirm
        self._draining = draining
        self._references = References()
        self._servers = tuple(map(self._make_server, config.urls))
        self._router = Router()
        self._loading: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._servers)

    async def start(self) -> int:
        """Returns the context that all have that are there [tokens]; others come later.

        Raises EngineFailed where none is there, or is a vLLM with one base.
        """
        await self._look()
        there = [server for server in self._servers if server.reason is None]
        if not there:
            reasons = " ".join(f"{server.url}: {server.reason}" for server in self._servers)
            raise EngineFailed(f"No vLLM server can be used. {reasons}")
        lengths = (self._config.context_length, *(each.context_length for each in there))
        context_length = min(filter(None, lengths), default=0)
        for server in self._servers:
            server.start(context_length)
        return context_length

    async def _look(self) -> None:
        """Returns when all have been looked at, or when one is there and the others take long."""
        looking = {asyncio.create_task(server.look()) for server in self._servers}
        self._loading |= looking
        _, late = await asyncio.wait(looking, timeout=FIRST_LOOK)
        while late and all(server.reason is not None for server in self._servers):
            _, late = await asyncio.wait(late, return_when=asyncio.FIRST_COMPLETED)

    async def stop(self) -> None:
        for task in self._loading:
            task.cancel()
        await asyncio.gather(*self._loading, return_exceptions=True)
        stopping = (server.stop() for server in self._servers)
        for failure in await asyncio.gather(*stopping, return_exceptions=True):
            if failure is not None:
                logger.warning("A vLLM server is not left in order: %r", failure)

    async def pick(self, request: Request, failed: Sequence[VllmServer]) -> VllmServer:
        """Another one than those that have failed, if there is one. Raises EngineAway."""
        name = push_name(request.blend)
        usable = await self._usable()
        fresh = [server for server in usable if server not in failed] or usable
        willing = [server for server in fresh if not server.refuses(name)] or fresh
        picked, others = self._router.pick(request, willing)
        for other in others:
            self._load_ahead(other, request.blend)
        return picked

    async def load(self, blend: Blend) -> None:
        """Load what is named at every server that is to be asked for it, by its model's load now.

        Raises AdapterRefused, EngineFailed and EngineAway.
        """
        usable = await self._usable()
        homes = homes_of(blend, usable)
        outcomes = await asyncio.gather(*(_load(server, blend) for server in homes))
        others = (server for server in ranked(model_of(blend), usable) if server not in homes)
        while None not in outcomes and (other := next(others, None)) is not None:
            outcomes.append(await _load(other, blend))
        if None not in outcomes:  # nobody has taken it
            told = [each for each in outcomes if isinstance(each, ServingError)]
            raise told[0] if told else EngineFailed(str(outcomes[0]))

    async def drop(self, adapter: AdapterRef) -> None:
        await asyncio.gather(*(server.drop(adapter) for server in self._servers))

    def holds(self, blend: Blend) -> bool:
        name = push_name(blend)
        return any(server.holds(name) for server in self._servers)

    def drain(self, url: str, *, is_draining: bool) -> bool:
        found = next((server for server in self._servers if server.url == url), None)
        if found is None:
            return False
        found.is_draining = is_draining
        (self._draining.add if is_draining else self._draining.discard)(url)
        return True

    def stats(self) -> tuple[ServerStats, ...]:
        return tuple(server.stats() for server in self._servers)

    async def _usable(self) -> Sequence[VllmServer]:
        """Those that take requests, as soon as there is one. Raises EngineAway."""
        deadline = time.monotonic() + PATIENCE
        while not (usable := [each for each in self._servers if each.state == "ready"]):
            if time.monotonic() > deadline or all(each.is_draining for each in self._servers):
                raise EngineAway("No vLLM server takes requests at the moment. Try again shortly.")
            await asyncio.sleep(PAUSE)
        return usable

    def _load_ahead(self, server: VllmServer, blend: Blend) -> None:
        """Let requests to come find it there."""
        task = asyncio.create_task(_load(server, blend))
        self._loading.add(task)
        task.add_done_callback(self._loading.discard)

    def _make_server(self, url: str) -> VllmServer:
        config = self._config
        client = VllmClient(url, config.key)
        pusher = Pusher(client, self._kept, config.zeroed, self._confirm)
        prover = Prover(client, self._prompt_ids, self._references)

        def residents_of(base: str) -> Residents:
            return Residents(base, pusher, prover)

        server = VllmServer(client, residents_of)
        server.is_draining = server.url in self._draining
        return server


async def _load(server: VllmServer, blend: Blend) -> ServingError | ServerAway | None:
    """What keeps a server from taking it; whoever asks there is told, too."""
    try:
        await server.load(blend)
    except (ServingError, ServerAway) as error:
        logger.warning("%s does not take an adapter: %s", server.url, error)
        return error
    return None
