"""One vLLM server of several: what is asked of it, and how it has done."""

import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any

from serving.engine import AdapterRef, Blend, Request, ServerState, ServerStats
from serving.errors import AdapterRefused, EngineFailed

from .asking import body_of
from .breaker import Breaker
from .client import SERVERS_FAULT, ServerAway, ServerRefused, VllmClient
from .limits import Limits
from .pushed import model_of, push_name
from .residents import Residents
from .watch import Watch

REFUSED_FOR = 60.0  # [seconds] that others are asked for what one has refused


class VllmServer:
    """Belongs to the event loop, from `start` to `stop`."""

    def __init__(self, client: VllmClient, residents_of: Callable[[str], Residents]) -> None:
        """`residents_of` makes its residents, by its own name for the base."""
        self.url = client.url
        self.is_draining = False
        self.num_running = 0
        self._client = client
        self._limits = Limits()
        self._watch = Watch(client, residents_of, self._limits)
        self._breaker = Breaker()
        self._loads: Counter[str] = Counter()
        self._refused: dict[str, float] = {}
        self._num_requests = self._num_failures = 0

    def start(self, least_context: int) -> None:
        """Look at it from now on; its context has to be that long [tokens]."""
        self._watch.start(least_context)

    async def look(self) -> None:
        await self._watch.look()

    def suspect(self) -> None:
        """Ask nothing of it until a look has shown that it is there."""
        self._watch.suspect()

    async def stop(self) -> None:
        await self._watch.stop()
        self._limits.close()
        await self._client.close()

    @property
    def context_length(self) -> int | None:
        """[tokens]; None where it has not told."""
        return self._watch.context_length

    @property
    def reason(self) -> str | None:
        """Why it is away; None if it is there."""
        return self._watch.away

    @property
    def state(self) -> ServerState:
        if self._watch.away is not None:
            return "away"
        if self.is_draining:
            return "draining"
        return "ready" if self._breaker.can_enter() else "resting"

    def holds(self, name: str) -> bool:
        return self._watch.residents is not None and self._watch.residents.holds(name)

    def refuses(self, name: str) -> bool:
        """Whether it has lately refused it, or not proven it."""
        return self._refused.get(name, 0.0) > time.monotonic()

    def load_of(self, key: str) -> int:
        """Requests of a model that run here."""
        return self._loads[key]

    def stats(self) -> ServerStats:
        residents = self._watch.residents
        return ServerStats(
            url=self.url,
            state=self.state,
            reason=self._watch.away,
            num_running=self.num_running,
            num_requests=self._num_requests,
            num_failures=self._num_failures,
            num_restarts=self._watch.num_restarts,
            num_adapter_loads=0 if residents is None else residents.num_loads,
            num_adapter_evictions=0 if residents is None else residents.num_evictions,
            adapters=() if residents is None else residents.names,
        )

    async def load(self, blend: Blend) -> None:
        """Raises AdapterRefused, EngineFailed and ServerAway."""
        try:
            async with self._limits.wait(), self._opened().using(blend):
                pass
        except (AdapterRefused, EngineFailed):
            self._note_refusal(blend)
            raise
        except ServerAway:
            self._watch.suspect()
            raise

    async def drop(self, adapter: AdapterRef) -> None:
        if self._watch.residents is not None:
            await self._watch.residents.drop(adapter)

    async def stream(self, request: Request) -> AsyncGenerator[dict[str, Any]]:
        """The chunks of an answer. Raises AdapterRefused, EngineFailed, ServerAway, ServerRefused
        and SchemaRefused."""
        key = model_of(request.blend)
        self._num_requests += 1
        self.num_running += 1
        self._loads[key] += 1
        self._breaker.enter()
        try:
            async with aclosing(self._stream(request)) as choices:
                async for choice in choices:
                    yield choice
        except (AdapterRefused, EngineFailed):
            self._note_refusal(request.blend)
            raise
        except (ServerAway, ServerRefused) as error:
            self._note_failure(error)
            raise
        finally:
            self.num_running -= 1
            self._loads[key] -= 1
            if not self._loads[key]:
                del self._loads[key]

    async def _stream(self, request: Request) -> AsyncGenerator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            async with self._limits.wait():
                name = await stack.enter_async_context(self._opened().using(request.blend))
                coming = self._client.stream(body_of(request, name))
                choices = await stack.enter_async_context(aclosing(coming))
                choice = await anext(choices, None)
            self._breaker.succeed()
            while choice is not None:
                yield choice
                async with self._limits.wait(has_begun=True):
                    choice = await anext(choices, None)

    def _opened(self) -> Residents:
        if self._watch.residents is None:
            raise ServerAway("The vLLM server has not answered yet.")
        return self._watch.residents

    def _note_failure(self, error: ServerAway | ServerRefused) -> None:
        if isinstance(error, ServerRefused) and error.status < SERVERS_FAULT:
            return
        self._num_failures += 1
        self._breaker.fail()
        if isinstance(error, ServerAway):
            self._watch.suspect()

    def _note_refusal(self, blend: Blend) -> None:
        now = time.monotonic()
        self._refused = {name: until for name, until in self._refused.items() if until > now}
        self._refused[push_name(blend)] = now + REFUSED_FOR
