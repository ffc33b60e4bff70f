"""What a server has been given and has proven to answer with, and whether it still has it.

A blend is pushed when it is first asked for. A server that has restarted has forgotten everything:
that is seen by the names it lists, every few seconds and whenever it refuses one, and then all is
pushed and proven anew before it is asked for.
"""

import asyncio
import logging
import shutil
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from serving.engine import AdapterRef, Blend
from serving.errors import AdapterRefused, EngineFailed
from serving.torch.encoder import Confirm

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
    made: Path | None  # the folder that was made for it
    num_users: int = 0
    is_leaving: bool = False  # once nobody uses it


class Residents:
    """What one server holds of ours. All methods belong to the event loop."""

    def __init__(
        self,
        client: VllmClient,
        base: str,
        prompt_ids: Sequence[int],
        kept: Path,
        sizes: Sizes,
        confirm: Confirm | None = None,
    ) -> None:
        """`base` is the server's name for it; `kept` is where made adapters are written; `confirm`
        raises AdapterRefused where an adapter's files are no longer what their hash stands for."""
        self.num_loads = 0
        self.num_evictions = 0
        self._client = client
        self._base = base
        self._prompt_ids = prompt_ids
        self._kept = kept
        self._sizes = sizes
        self._confirm = confirm
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
        blend = tuple((ref, scale) for ref, scale in blend if scale)  # the others add nothing
        name = push_name(blend)
        resident = self._proven.get(name) or await self._push(name, blend)
        resident.num_users += 1
        if name in self._proven:  # the server may have forgotten it since
            self._proven.move_to_end(name)
        try:
            await self._make_room()
            yield name
        finally:
            resident.num_users -= 1
            if resident.is_leaving and self._is_idle(name):
                await self._unload(name)

    async def drop(self, ref: AdapterRef) -> None:
        """Take an adapter from the server, with all blends that it is part of: at once, or as soon
        as nobody uses them."""
        for name, resident in [*self._proven.items()]:
            if any(ref.sha256 == one.sha256 for one, _ in resident.blend):
                resident.is_leaving = True
                if self._is_idle(name):
                    await self._unload(name)

    async def look(self) -> None:
        """Forget what the server has forgotten. Raises ServerAway and ServerRefused."""
        listed = {card.name for card in await self._client.cards()}
        for name in [*self._proven]:
            if name not in listed:
                logger.warning("%s has forgotten %s; it gets it again", self._client.url, name)
                if resident := self._proven.pop(name, None):
                    await _remove(resident)

    async def _push(self, name: str, blend: Blend) -> Resident:
        async with self._locks.setdefault(name, asyncio.Lock()):
            if (found := self._proven.get(name)) is not None:
                return found
            pushed = await self._prepare(blend)
            resident = Resident(blend, pushed.folder if pushed.is_made else None)
            try:
                await self._load(pushed, blend)
                await self._check_files(blend)
                await self._prove(name, blend)
            except BaseException:
                await asyncio.shield(self._clear(name, resident))
                raise
            finally:
                self._locks.pop(name, None)
            self.num_loads += 1
            self._proven[name] = resident
        return resident

    async def _prepare(self, blend: Blend) -> Pushed:
        from safetensors import SafetensorError

        try:
            return await asyncio.to_thread(prepare, blend, self._kept, self._sizes)
        except (OSError, SafetensorError) as error:
            logger.warning("No adapter can be written into %s: %s", self._kept, error)
            raise EngineFailed("The server's disk takes no adapter for vLLM.") from error

    async def _check_files(self, blend: Blend) -> None:
        """Once they have been read, as other engines do."""
        if self._confirm is not None:
            for ref, _ in blend:
                await asyncio.to_thread(self._confirm, ref)

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
        """Have the server answer. The base by its own name is asked once, before anybody asks for
        an adapter, which could disturb it. Raises AdapterRefused and EngineFailed."""
        own, known = await self._ask(name), self._proofs.get(name)
        if known is not None and not own.is_same(known):
            raise EngineFailed(f"The vLLM server answers otherwise with {name} than it did before.")
        if blend:
            async with self.using(()) as zeros:
                if not own.has_effect(await self._ask(zeros)):
                    told = "changes nothing at the vLLM server, which says that it has it."
                    raise AdapterRefused(told, _shown(blend))
        elif known is None and not own.is_same(await self._ask(self._base)):
            raise EngineFailed("The vLLM server answers otherwise with an adapter of zeros.")
        self._proofs.setdefault(name, own)

    async def _ask(self, name: str) -> Proof:
        try:
            return proof_of(await self._client.complete(question(name, self._prompt_ids)))
        except ServerRefused as refused:
            raise EngineFailed(f"The vLLM server does not answer with {name}: {refused}") from None

    async def _make_room(self) -> None:
        """Take those from the server that were not asked for longest; never the base."""
        for name in [*self._proven]:
            if len(self._proven) <= MOST:
                return
            if self._is_idle(name) and self._proven[name].blend:
                await self._unload(name)
                self.num_evictions += 1

    def _is_idle(self, name: str) -> bool:
        resident = self._proven.get(name)
        return resident is not None and not resident.num_users

    async def _unload(self, name: str) -> None:
        resident = self._proven.pop(name)
        self._proofs.pop(name, None)
        await self._clear(name, resident)

    async def _clear(self, name: str, resident: Resident) -> None:
        """Leave nothing of it, at the server nor here."""
        try:
            await self._client.unload(name)
        except (ServerRefused, ServerAway) as error:
            logger.debug("%s keeps %s: %s", self._client.url, name, error)
        await _remove(resident)


async def _remove(resident: Resident) -> None:
    if resident.made is not None:
        await asyncio.to_thread(shutil.rmtree, resident.made, ignore_errors=True)


def _shown(blend: Blend) -> str:
    return "+".join(str(ref) for ref, _ in blend) or BASE
