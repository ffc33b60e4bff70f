"""What a server has been given and has proven to answer with, and whether it still has it.

A blend is pushed when it is first asked for. A server that has restarted has forgotten everything:
that is seen by the names it lists, every few seconds and whenever it refuses one, and then all is
pushed and proven anew before it is asked for.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from serving.engine import AdapterRef, Blend
from serving.errors import AdapterRefused, EngineFailed

from .client import ServerAway, ServerRefused, VllmClient
from .proof import Proof, proof_of, question
from .pushed import BASE, Pushed, Sizes, prepare, push_name

MOST = 256  # names that a server keeps although nobody asks them

logger = logging.getLogger(__name__)

HOW_TO_PUSH = (
    "The vLLM server takes no adapters: start it with --enable-lora and the variable "
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True."
)


@dataclass
class Resident:
    blend: Blend
    num_users: int = 0


class Residents:
    """What one server holds of ours. All methods belong to the event loop."""

    def __init__(
        self,
        client: VllmClient,
        base: str,
        prompt_ids: Sequence[int],
        kept: Path,
        sizes: Sizes,
    ) -> None:
        """`base` is the server's name for it; `kept` is where made adapters are written."""
        self.num_loads = 0
        self.num_evictions = 0
        self._client = client
        self._base = base
        self._prompt_ids = prompt_ids
        self._kept = kept
        self._sizes = sizes
        self._proven: OrderedDict[str, Resident] = OrderedDict()  # asked last, last
        self._proofs: dict[str, Proof] = {}  # the first of each name, on this server's software
        self._locks: dict[str, asyncio.Lock] = {}

    def __len__(self) -> int:
        """Adapters and blends."""
        return sum(bool(resident.blend) for resident in self._proven.values())

    def holds(self, ref: AdapterRef) -> bool:
        return push_name(((ref, 1.0),)) in self._proven

    @asynccontextmanager
    async def using(self, blend: Blend) -> AsyncGenerator[str]:
        """The name to ask by; it stays for as long as the block lasts.

        Raises AdapterRefused, EngineFailed and ServerAway.
        """
        name = push_name(blend)
        resident = self._proven.get(name) or await self._push(name, blend)
        resident.num_users += 1
        self._proven.move_to_end(name)
        try:
            yield name
        finally:
            resident.num_users -= 1

    async def drop(self, ref: AdapterRef) -> int:
        """Take an adapter from the server, with all blends that it is part of. Returns how many
        that were; those that are in use are taken when they are the oldest."""
        names = [
            name
            for name, resident in self._proven.items()
            if not resident.num_users and any(ref.sha256 == one.sha256 for one, _ in resident.blend)
        ]
        for name in names:
            await self._unload(name)
        return len(names)

    async def look(self) -> None:
        """Forget what the server has forgotten. Raises ServerAway and ServerRefused."""
        listed = {card.name for card in await self._client.cards()}
        for name in [*self._proven]:
            if name not in listed:
                logger.warning("%s has forgotten %s; it gets it again", self._client.url, name)
                self._proven.pop(name, None)

    def forget(self) -> None:
        """Nothing is known of the server any more."""
        self._proven.clear()

    async def _push(self, name: str, blend: Blend) -> Resident:
        async with self._locks.setdefault(name, asyncio.Lock()):
            if (found := self._proven.get(name)) is not None:
                return found
            pushed = await asyncio.to_thread(prepare, blend, self._kept, self._sizes)
            await self._load(pushed, blend)
            await self._prove(name, blend)
            self.num_loads += 1
            resident = self._proven[name] = Resident(blend)
        self._locks.pop(name, None)
        await self._make_room()
        return resident

    async def _load(self, pushed: Pushed, blend: Blend) -> None:
        shown = _shown(blend)
        try:
            await self._client.load(pushed.name, pushed.folder)
        except ServerRefused as refused:
            if "already been loaded" in str(refused):
                return  # by us, before; whether it is what it was is proven next
            if refused.status == HTTPStatus.NOT_FOUND and "Not Found" in str(refused):
                raise EngineFailed(HOW_TO_PUSH) from refused
            logger.warning(
                "%s refuses %s in %s: %s", self._client.url, shown, pushed.folder, refused
            )
            said = str(refused).replace(str(pushed.folder), "its folder").rstrip(".")
            told = f"is refused by the vLLM server: {said}."
            if refused.status == HTTPStatus.NOT_FOUND:
                told += " Its folder has to be there under the same path, too."
            raise AdapterRefused(told, shown) from refused

    async def _prove(self, name: str, blend: Blend) -> None:
        """Have the server answer. Nobody asks for an adapter before the base's own proof, which it
        could disturb. Raises AdapterRefused and EngineFailed."""
        if not blend:
            base, own = await self._ask(self._base), await self._ask(name)
            if not own.is_same(base):
                raise EngineFailed("The vLLM server answers otherwise with an adapter of zeros.")
        else:
            async with self.using(()) as zeros:
                base, own = await self._ask(zeros), await self._ask(name)
            if not own.has_effect(base):
                await self._unload(name)
                told = "changes nothing at the vLLM server, which says that it has it."
                raise AdapterRefused(told, _shown(blend))
        if not self._proofs.setdefault(name, own).is_same(own):
            await self._unload(name)
            raise EngineFailed(f"The vLLM server answers otherwise with {name} than it did before.")

    async def _ask(self, name: str) -> Proof:
        try:
            return proof_of(await self._client.complete(question(name, self._prompt_ids)))
        except ServerRefused as refused:
            raise EngineFailed(f"The vLLM server does not answer with {name}: {refused}") from None

    async def _make_room(self) -> None:
        idle = [name for name, resident in self._proven.items() if not resident.num_users]
        for name in idle[: max(0, len(self._proven) - MOST)]:
            await self._unload(name)
            self.num_evictions += 1

    async def _unload(self, name: str) -> None:
        self._proven.pop(name, None)
        try:
            await self._client.unload(name)
        except (ServerRefused, ServerAway) as error:
            logger.warning("%s keeps %s: %s", self._client.url, name, error)


def _shown(blend: Blend) -> str:
    return "+".join(str(ref) for ref, _ in blend) or BASE
