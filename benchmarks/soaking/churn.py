"""Adapters come and go every second: folders appear and vanish, names are loaded and unloaded."""

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import httpx

PAUSE = 1.0  # [seconds]
LOAD, UNLOAD = "/v1/load_lora_adapter", "/v1/unload_lora_adapter"
DROPPED = "dropped"  # its folder comes and goes, with other weights each time
LOADED = "loaded"  # its folder stays; it is taken into service and out of it


@dataclass(slots=True)
class Churn:
    client: httpx.AsyncClient
    adapters: Path  # the folder that the server looks into
    spares: Sequence[Path]  # whose weights `DROPPED` has by turns
    num_changes: int = 0
    faults: list[str] = field(default_factory=list[str])

    async def run(self, end: asyncio.Event) -> None:
        """Leaves both adapters in service."""
        spares = cycle(self.spares)
        while True:
            await self._call(UNLOAD, {"lora_name": LOADED})
            await asyncio.to_thread(self._remove)
            if await _is_set_within(end, PAUSE):
                break
            await self._come(next(spares))
            if await _is_set_within(end, PAUSE):
                return
        await self._come(next(spares))

    async def _come(self, spare: Path) -> None:
        await asyncio.to_thread(self._drop, spare)
        await self._call(LOAD, {"lora_name": LOADED, "lora_path": str(self.adapters / LOADED)})

    async def _call(self, path: str, body: dict[str, str]) -> None:
        self.num_changes += 1
        try:
            response = await self.client.post(path, json=body)
        except httpx.HTTPError as error:
            self.faults.append(f"{path}: {error!r}")
            return
        if response.is_error:
            self.faults.append(f"{path}: {response.status_code}: {response.text}")

    def _drop(self, spare: Path) -> None:
        """Put a spare into `adapters` as a careful person does: it appears whole."""
        self.num_changes += 1
        coming = self.adapters / f".{DROPPED}"
        shutil.copytree(spare, coming)
        coming.rename(self.adapters / DROPPED)

    def _remove(self) -> None:
        """Remove the dropped folder as anybody does: file by file."""
        self.num_changes += 1
        shutil.rmtree(self.adapters / DROPPED)


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
