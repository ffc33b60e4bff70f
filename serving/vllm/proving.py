"""Asks a server for proofs: of the base, of an adapter that it has just been given, and again."""

import asyncio
from collections.abc import Sequence

from serving.errors import AdapterRefused, EngineFailed

from .client import ODD, ServerAway, ServerRefused, VllmClient, odd
from .proof import (
    PLAIN,
    ROUNDS,
    TOLERANCE,
    Proof,
    References,
    distance,
    has_effect,
    proof_of,
    question,
)

LONGEST = 120.0  # [seconds] for a proof, behind other requests


class Prover:
    """All methods raise EngineFailed where the server does not answer, and ServerAway."""

    def __init__(
        self, client: VllmClient, prompt_ids: Sequence[int], references: References
    ) -> None:
        self._client = client
        self._prompt_ids = prompt_ids
        self._references = references

    async def prove_base(self, name: str, base: str) -> None:
        """Take a server whose adapter of zeros, `name`, answers as its `base` does.

        `base` is asked once, before anybody asks for an adapter, which could disturb it.
        """
        own: list[Proof] = []
        known = self._references.of(name)
        is_known = await self._is_known(name, own, known or await self._ask(base))
        if first := self._references.of(name):  # another server's, which may have come meanwhile
            is_known = is_known and distance(own, [first]) <= TOLERANCE
        if not is_known:
            than = "than the first one did" if first else "with an adapter of zeros"
            raise EngineFailed(f"The vLLM server's base answers otherwise {than}.")
        self._references.keep(name, own[0])

    async def prove(self, name: str, zeros: str, shown: str) -> None:
        """Take an adapter that changes what the base answers, in the way that it did before.

        Raises AdapterRefused.
        """
        own, base = await self._compare(name, zeros)
        if not has_effect(own, base):
            told = "changes nothing at the vLLM server, which says that it has it."
            raise AdapterRefused(told, shown)
        known = self._references.of(name)
        if known is not None and not await self._is_known(name, own, known):
            raise EngineFailed(f"The vLLM server answers otherwise with {name} than it did before.")
        self._references.keep(name, own[0])

    async def still_answers(self, name: str) -> bool:
        """Whether it answers as it did at first."""
        known = self._references.of(name)
        return known is None or await self._is_known(name, [], known)

    def forget(self, name: str) -> None:
        self._references.forget(name)

    async def _compare(self, name: str, other: str) -> tuple[list[Proof], list[Proof]]:
        """The answers of two, until one look shows that they differ."""
        own, others = list[Proof](), list[Proof]()
        while not own or (len(own) < ROUNDS and distance(own, others) <= PLAIN):
            own.append(await self._ask(name))
            others.append(await self._ask(other))
        return own, others

    async def _is_known(self, name: str, own: list[Proof], known: Proof) -> bool:
        """What is asked for that is added to `own`."""
        while not own or (len(own) < ROUNDS and distance(own, [known]) > TOLERANCE):
            own.append(await self._ask(name))
        return distance(own, [known]) <= TOLERANCE

    async def _ask(self, name: str) -> Proof:
        try:
            async with asyncio.timeout(LONGEST):
                return proof_of(await self._client.complete(question(name, self._prompt_ids)))
        except ServerRefused as refused:
            raise EngineFailed(f"The vLLM server does not answer with {name}: {refused}") from None
        except TimeoutError:
            raise ServerAway("The vLLM server does not prove what it has.") from None
        except ODD as error:
            raise odd(error) from error
