"""Gives adapters to a server, and takes them away."""

import asyncio
import logging
from http import HTTPStatus
from pathlib import Path

from serving.engine import Blend
from serving.errors import AdapterRefused, EngineFailed
from serving.torch.encoder import Confirm

from .client import ServerAway, ServerRefused, VllmClient
from .pushed import BASE, Layer, Pushed, prepare

HOW_TO_PUSH = (
    "The vLLM server takes no adapters: start it with --enable-lora and the variable "
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True."
)

logger = logging.getLogger(__name__)


class Pusher:
    """All methods but `take_away` raise EngineFailed, AdapterRefused and ServerAway."""

    def __init__(
        self, client: VllmClient, kept: Path, zeroed: Layer, confirm: Confirm | None = None
    ) -> None:
        """`kept` is where made adapters are written; `confirm` raises AdapterRefused where an
        adapter's files are no longer what their hash stands for."""
        self._client = client
        self._kept = kept
        self._zeroed = zeroed
        self._confirm = confirm

    async def prepare(self, blend: Blend) -> Pushed:
        from safetensors import SafetensorError

        try:
            return await asyncio.to_thread(prepare, blend, self._kept, self._zeroed)
        except (OSError, SafetensorError) as error:
            logger.warning("No adapter can be written into %s: %s", self._kept, error)
            raise EngineFailed("The server's disk takes no adapter for vLLM.") from error

    async def load(self, pushed: Pushed, blend: Blend) -> None:
        """Have the server read it; then its files are looked at once more, as other engines do."""
        await self._load(pushed, shown(blend))
        if self._confirm is not None:
            for ref, _ in blend:
                await asyncio.to_thread(self._confirm, ref)

    async def take_away(self, pushed: Pushed) -> None:
        """Leave nothing of it, at the server nor here."""
        try:
            await self._client.unload(pushed.name)
        except (ServerRefused, ServerAway) as error:
            logger.debug("%s keeps %s: %s", self._client.url, pushed.name, error)
        await asyncio.to_thread(pushed.remove)

    async def _load(self, pushed: Pushed, told_as: str) -> None:
        try:
            try:
                await self._client.load(pushed.name, pushed.folder)
            except ServerRefused as refused:
                if "already been loaded" not in str(refused):
                    raise
                await self._client.unload(pushed.name)  # from a folder that may be gone by now
                await self._client.load(pushed.name, pushed.folder)
        except ServerRefused as refused:
            if refused.status == HTTPStatus.NOT_FOUND and "Not Found" in str(refused):
                raise EngineFailed(HOW_TO_PUSH) from refused
            logger.warning(
                "%s refuses %s in %s: %s", self._client.url, told_as, pushed.folder, refused
            )
            said = str(refused).replace(str(pushed.folder), "its folder").rstrip(".")
            told = f"is refused by the vLLM server: {said}."
            if refused.status == HTTPStatus.NOT_FOUND:
                told += " Its folder has to be there under the same path, too."
            raise AdapterRefused(told, told_as) from refused


def shown(blend: Blend) -> str:
    """What people know it by."""
    return "+".join(str(ref) for ref, _ in blend) or BASE
