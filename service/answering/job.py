"""What the engine is to do for one request of a client: the answers to its prompts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from serving.engine import Blend, Request


@dataclass(frozen=True, slots=True)
class AnswerJob:
    requests: Sequence[Request]  # one an answer; those with the same prompt side by side
    num_choices: int  # answers to each prompt
    prompt_field: str  # of the client's request: the one to shorten
    schema_field: str  # and the one that says what form an answer has
    limit_field: str  # and how long it may be

    @property
    def prompts(self) -> list[tuple[int, ...]]:
        return [request.prompt_ids for request in self.requests[:: self.num_choices]]

    @property
    def blend(self) -> Blend:
        """All answers come from the same adapters."""
        return self.requests[0].blend


def split(request: Request, count: int) -> list[Request]:
    """One request for each of `count` answers, alike but for their ids and their seeds."""
    seed = request.sampling.seed
    return [
        replace(
            request,
            id=f"{request.id}-{index}",
            sampling=replace(request.sampling, seed=None if seed is None else seed + index),
        )
        for index in range(count)
    ]
