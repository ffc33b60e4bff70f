"""A few people who ask, read and ask again, and how long they wait for each piece of an answer."""

import asyncio
import random
from collections.abc import Sequence
from itertools import cycle, pairwise

import httpx

from benchmarks.soaking.asking import ask_streamed
from benchmarks.soaking.question import Question
from benchmarks.soaking.traffic import Tally


class Load:
    """Every stream asks the next question some time after its last one has its answer: up to
    `pause` seconds, half as long on average."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        questions: Sequence[Question],
        streams: int,
        pause: float = 0.0,
    ) -> None:
        self._client = client
        self._questions = questions
        self._streams = streams
        self._pause = pause
        self.tally = Tally()
        self.gaps: list[float] = []  # [seconds] between two pieces of one answer

    async def run(self, end: asyncio.Event) -> None:
        """Ask until the end has come; answers that have begun are waited for."""
        async with asyncio.TaskGroup() as streams:
            for number in range(self._streams):
                streams.create_task(self._ask_on(number, end))

    async def _ask_on(self, number: int, end: asyncio.Event) -> None:
        first = number * len(self._questions) // self._streams
        pauses = random.Random(number)
        for question in cycle([*self._questions[first:], *self._questions[:first]]):
            if end.is_set():
                return
            reply = await ask_streamed(self._client, question)
            self.tally.add(question, reply)
            self.gaps += [later - earlier for earlier, later in pairwise(reply.times)]
            await asyncio.sleep(pauses.uniform(0.0, self._pause))
