"""An engine that asks who calls: whether adapters are theirs, and what answers cost them."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.concurrency import run_in_threadpool

from service.accounts.caller import Caller, current_caller, paid_prompts
from service.accounts.rate_limit import RateLimits
from service.accounts.usage import Count, UsageLedger
from serving.engine import Delta, Engine, Request
from serving.engine_around import EngineAround
from serving.errors import ModelNotFound, ServingError


class GuardedEngine(EngineAround):
    """For the caller in `current_caller`."""

    def __init__(
        self, engine: Engine, base_id: str, limits: RateLimits, ledger: UsageLedger
    ) -> None:
        super().__init__(engine)
        self._base_id = base_id
        self._limits = limits
        self._ledger = ledger

    async def start(self) -> None:
        await super().start()
        self._ledger.start()

    async def stop(self) -> None:
        try:
            await super().stop()
        finally:
            await run_in_threadpool(self._ledger.stop)

    async def submit(self, request: Request) -> AsyncGenerator[Delta]:
        caller = current_caller.get()
        names = sorted({ref.name for ref, _ in request.blend}) or [self._base_id]
        _check_allowed(caller, names)
        paid = paid_prompts.get()
        num_tokens, is_refused = 0, False
        try:
            async with aclosing(self._engine.submit(request)) as deltas:
                async for delta in deltas:
                    num_tokens += len(delta.token_ids)
                    yield delta
        except ServingError:
            is_refused = num_tokens == 0
            raise
        finally:
            # A client that has left pays for its prompt too, which was being computed.
            if not is_refused:
                count = _count(request, num_tokens, [] if paid is None else paid)
                self._ledger.add(caller.key_id, "+".join(names), count)
                self._limits.charge(caller, count.prompt_tokens + count.completion_tokens)


def _check_allowed(caller: Caller, names: list[str]) -> None:
    """What is not for the caller does not exist, as `Models` says for names."""
    for name in names:
        if not caller.may_use(name):
            raise ModelNotFound(name, sorted(caller.adapters or ()))


def _count(request: Request, num_tokens: int, paid: list[tuple[int, ...]]) -> Count:
    """Of several answers to one HTTP request, the first is the request; a prompt counts once."""
    is_new = all(prompt_ids is not request.prompt_ids for prompt_ids in paid)
    num_requests = 0 if paid else 1
    if is_new:
        paid.append(request.prompt_ids)
    return Count(num_requests, len(request.prompt_ids) if is_new else 0, num_tokens)
