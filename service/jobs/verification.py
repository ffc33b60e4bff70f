"""A new version's first answer: only what has answered is told to be there."""

import time
from contextlib import aclosing

from starlette.concurrency import run_in_threadpool

from data.conversation import Message
from service.models import Models
from serving.engine import Engine, Request, Sampling

QUESTION = "你好"


class Verification:
    """Loads versions into the engine, and asks each for one token."""

    def __init__(self, engine: Engine, models: Models) -> None:
        self._engine = engine
        self._models = models

    async def try_out(self, version: str) -> float:
        """Returns the seconds from asking to the first token, once the version is in memory.

        Raises what resolving and answering raise.
        """
        model = await run_in_threadpool(self._models.resolve, version)
        for ref, _ in model.blend:
            await self._engine.load(ref)
        begin = time.perf_counter()
        asked = Request(
            id=f"try-{version}",
            prompt_ids=model.renderer.prompt_ids([Message("user", QUESTION)]),
            end_ids=model.renderer.end_ids,
            blend=model.blend,
            sampling=Sampling(max_tokens=1, temperature=0.0),
        )
        async with aclosing(self._engine.submit(asked)) as deltas:
            async for _ in deltas:
                break
        return time.perf_counter() - begin
