"""Looks at a server every few seconds: whether it is there, and has what it was given."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

from serving.engine import Blend
from serving.errors import EngineFailed, ServingError

from .client import Card, ServerAway, ServerRefused, VllmClient
from .limits import Limits
from .residents import Residents

INTERVAL = 2.0  # [seconds] from one look to the next
PROOF_LOOKS = 10  # from one proof that is asked for again to the next
LONGEST_LOOK = 60.0  # [seconds], with a proof
QUIET = 120.0  # [seconds] that nothing comes of all that runs, before a proof is asked for
GONE_LOOKS = 3  # in vain, after which answers that have begun are given up

logger = logging.getLogger(__name__)


class Watch:
    def __init__(
        self, client: VllmClient, residents_of: Callable[[str], Residents], limits: Limits
    ) -> None:
        self.context_length: int | None = None  # [tokens] of the server
        self.residents: Residents | None = None  # from the first answer on
        self._first: Residents | None = None  # the same, until then
        self._has_to_prove = False  # before it is asked for anything again
        self.away: str | None = "It has not answered yet."
        self.num_restarts = 0
        self._client = client
        self._residents_of = residents_of
        self._limits = limits
        self._least_context = 0
        self._is_checking = False
        self._num_missed = 0
        self._one_look = asyncio.Lock()
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, least_context: int) -> None:
        self._least_context = least_context
        self._begin(self._look_again())

    async def stop(self) -> None:
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._first is not None:
            await self._first.close()

    def suspect(self) -> None:
        if self.away is None:
            self.away = "It has failed just now."
        self._wake.set()

    async def look(self) -> None:
        async with self._one_look:
            try:
                async with asyncio.timeout(LONGEST_LOOK):
                    lost = await self._look()
            except TimeoutError:
                self._miss("It does not prove what it has.")
                return
            except (ServerAway, ServerRefused, ServingError) as error:
                self._miss(str(error))
                return
            except Exception as error:  # the border of a task that goes on for ever
                logger.exception("%s cannot be looked at", self._client.url)
                self._miss(f"It answers in a way that nobody expects ({type(error).__name__}).")
                return
            if self._num_missed:
                logger.warning("%s answers again", self._client.url)
            self.away, self._num_missed = None, 0
        if lost:
            self.num_restarts += () in lost  # the base's adapter is never unloaded
            logger.warning("%s has forgotten %s; it gets them again", self._client.url, len(lost))
            self._begin(self._restore(lost))

    async def _look(self) -> Sequence[Blend]:
        """What it has forgotten."""
        asked_at = time.monotonic()
        cards = await self._client.cards()
        base = base_of(cards)
        self.context_length = base.context_length
        if base.context_length is not None and base.context_length < self._least_context:
            told = f"Its context has {base.context_length} tokens, where another's has more."
            raise EngineFailed(told)
        if self.residents is None:
            self._first = self._first or self._residents_of(base.name)
            async with self._first.using(()):
                self.residents = self._first
            return ()
        lost = await self.residents.forget({card.name for card in cards}, asked_at)
        if self._limits.are_silent_for(QUIET):
            self._has_to_prove = True
        if self._has_to_prove:
            await self._check(self.residents)
            self._has_to_prove, self._limits.heard_at = False, time.monotonic()
        return lost

    def _miss(self, reason: str) -> None:
        if not self._num_missed and self.residents is not None:
            logger.warning("%s is away: %s", self._client.url, reason)
        self.away, self._num_missed = reason, self._num_missed + 1
        if self._first is not None:
            self._first.abandon()
        self._limits.give_up()
        if self._num_missed >= GONE_LOOKS:
            self._limits.give_up(has_begun=True)

    async def _look_again(self) -> None:
        for number in count(1):
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL):
                    await self._wake.wait()
            self._wake.clear()
            await self.look()
            is_time = number % PROOF_LOOKS == 0 and not self._is_checking
            if is_time and self.residents is not None and self.away is None:
                self._begin(self._check_aside(self.residents))

    async def _check_aside(self, residents: Residents) -> None:
        self._is_checking = True
        try:
            await self._do(self._check(residents))
        finally:
            self._is_checking = False

    async def _check(self, residents: Residents) -> None:
        """Have something proven again. Raises EngineFailed where the base is another by now: the
        server is away then, until it is what it was."""
        if not await residents.check():
            self.residents = None
            self.suspect()
            raise EngineFailed("Its base answers otherwise than it did.")

    async def _restore(self, lost: Sequence[Blend]) -> None:
        residents = self.residents
        assert residents is not None
        for blend in sorted(lost, key=bool):  # the base first
            await self._do(_keep(residents, blend))

    async def _do(self, what: Coroutine[Any, Any, None]) -> None:
        """Await what nobody waits for; whoever asks for it next is told what is wrong."""
        try:
            async with self._limits.wait():
                await what
        except (ServerAway, ServingError) as error:
            logger.warning("%s: %s", self._client.url, error)

    def _begin(self, what: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _keep(residents: Residents, blend: Blend) -> None:
    async with residents.using(blend):
        pass


def base_of(cards: Sequence[Card]) -> Card:
    bases = [card for card in cards if card.parent is None]
    if len(bases) != 1:
        names = ", ".join(card.name for card in bases) or "none"
        raise EngineFailed(f"The vLLM server should serve one base, and has {names}.")
    return bases[0]
