"""Questions whose greedy answers do not hang on the last bits of a sum.

A number differs in its last bits between batches of different shapes, so an answer is only the same
everywhere as long as each of its tokens is likelier than the next best by a margin.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import httpx

from benchmarks.process import ProgramFailed
from data.shipped import conversations_to_mix_in, general_conversations

from .asking import PATH, body_of
from .question import Question

MOST_TOKENS = 40  # of an answer
LEAST_TOKENS = 8


def everyday_prompts(seed: int) -> list[str]:
    """Prompts in two languages. A model is surer of these than of words thrown together."""
    measured = [each for one in general_conversations().values() for each in one]
    conversations = [*measured, *conversations_to_mix_in()]
    prompts = [conversation.messages[0].content for conversation in conversations]
    Random(seed).shuffle(prompts)
    return prompts


class Golden:
    """Asks a server that nobody else asks, one question after the other."""

    def __init__(self, client: httpx.AsyncClient, prompts: Sequence[str], margin: float) -> None:
        """`margin` [nats] lies between the likeliest token and the next."""
        self._client = client
        self._prompts = prompts
        self._margin = margin

    async def questions(self, sought: Mapping[str, Sequence[str]], count: int) -> list[Question]:
        """Find at least `count` questions for each name; no name's answer is another's to the same
        prompt.

        With each name stand the models whose answers are right for it. Raises ProgramFailed where
        too few prompts have answers that are certain for long enough.
        """
        found: dict[str, list[Question]] = {name: [] for name in sought}
        for prompt in self._prompts:
            asked = await self._ask_all(sought, prompt)
            for question in asked:
                if _is_telling(question, asked):
                    found[question.model].append(question)
            if all(len(questions) >= count for questions in found.values()):
                return [question for questions in found.values() for question in questions]
        counts = ", ".join(f"{name}: {len(questions)}" for name, questions in found.items())
        raise ProgramFailed(
            f"Of {len(self._prompts)} prompts too few have certain answers: {counts}."
        )

    async def _ask_all(self, sought: Mapping[str, Sequence[str]], prompt: str) -> list[Question]:
        """Each answer as far as it is certain, asked for once more, at that length."""
        models = {model for models in sought.values() for model in models}
        lengths = {model: await self._num_certain(model, prompt) for model in sorted(models)}
        asked: list[Question] = []
        for name, models in sought.items():
            length = min(lengths[model] for model in models)
            if length >= LEAST_TOKENS:
                texts = [await self._text(model, prompt, length) for model in models]
                asked.append(Question(name, prompt, length, frozenset(texts)))
        return asked

    async def _num_certain(self, model: str, prompt: str) -> int:
        """How many tokens of the answer come before the first that is a close call."""
        choice = await self._ask(model, prompt, MOST_TOKENS, logprobs=True, top_logprobs=2)
        tokens = choice["logprobs"]["content"]
        for index, token in enumerate(tokens):
            first, second = (likely["logprob"] for likely in token["top_logprobs"])
            if first - second < self._margin:
                return index
        return len(tokens)

    async def _text(self, model: str, prompt: str, num_tokens: int) -> str:
        choice = await self._ask(model, prompt, num_tokens)
        return choice["message"]["content"]

    async def _ask(self, model: str, prompt: str, num_tokens: int, **fields: Any) -> dict[str, Any]:
        body = body_of(model, prompt, num_tokens, **fields)
        response = await self._client.post(PATH, json=body)
        if response.is_error:
            raise ProgramFailed(f"{model} does not answer: {response.text}")
        return response.json()["choices"][0]


def _is_telling(question: Question, asked: Sequence[Question]) -> bool:
    """Whether its answers are no other model's, as far as both go."""
    others = [text for other in asked if other is not question for text in other.answers]
    return all(question.answers) and not any(
        text.startswith(other) or other.startswith(text)
        for text in question.answers
        for other in others
    )
