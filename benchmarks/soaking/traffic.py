"""Full load: every stream asks the next question as soon as its last one has its answer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import httpx

from .asking import Reply, ask_streamed, ask_whole
from .question import Outcome, Question

SHARE_WHOLE = 0.25
SHARE_LEFT = 0.15  # of the requests: their client hangs up
MOST_SHOWN = 10  # answers that are not right
FINE = (Outcome.RIGHT, Outcome.LEFT, Outcome.GONE)


@dataclass(slots=True)
class Tally:
    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    models: dict[str, int] = field(default_factory=dict[str, int])  # right answers of each
    num_tokens: int = 0
    faults: list[str] = field(default_factory=list[str])

    def add(self, question: Question, reply: Reply) -> None:
        self.outcomes[reply.outcome] += 1
        self.num_tokens += reply.num_tokens
        if reply.outcome is Outcome.RIGHT:
            self.models[question.model] = self.models.get(question.model, 0) + 1
        elif reply.outcome not in FINE and len(self.faults) < MOST_SHOWN:
            expected = " or ".join(map(repr, sorted(question.answers)))
            self.faults.append(
                f"{reply.outcome}: {question.model}, {question.prompt!r}: "
                f"{reply.shown!r} instead of {expected}"
            )


class Traffic:
    def __init__(
        self, client: httpx.AsyncClient, questions: Sequence[Question], streams: int, seed: int
    ) -> None:
        self._client = client
        self._questions = questions
        self._streams = streams
        self._random = Random(seed)
        self.tally = Tally()

    async def run(self, end: asyncio.Event) -> None:
        """Ask until the end has come; answers that have begun are waited for."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._streams):
                workers.create_task(self._work(end))

    async def ask_each(self) -> None:
        """Every question once, alone: the server is as well as it was."""
        for question in self._questions:
            self.tally.add(question, await ask_whole(self._client, question))

    async def _work(self, end: asyncio.Event) -> None:
        while not end.is_set():
            question = self._random.choice(self._questions)
            self.tally.add(question, await self._ask(question))

    async def _ask(self, question: Question) -> Reply:
        chance = self._random.random()
        if chance < SHARE_WHOLE:
            return await ask_whole(self._client, question)
        if chance < SHARE_WHOLE + SHARE_LEFT:
            pieces = self._random.randrange(1, max(2, question.num_tokens))
            return await ask_streamed(self._client, question, leave_after=pieces)
        return await ask_streamed(self._client, question)
