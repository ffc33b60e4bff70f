"""Adapters while the server runs: looked at, promoted, removed."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from fastapi.concurrency import run_in_threadpool

from finetune.adapters.card import AdapterCard
from finetune.adapters.version import AdapterVersion
from finetune.adapters.versions import (
    end_share,
    find_version,
    list_versions,
    promote,
    remove_name,
    remove_version,
    rollback,
    share,
    version_folders,
)
from finetune.errors import AdapterInvalid
from service.accounts.caller import check_mine, current_caller
from service.errors import InvalidRequest
from service.improving.moves import Moves
from serving.adapters.notation import Part
from serving.adapters.store import AdapterStore
from serving.engine import AdapterRef, Engine
from serving.errors import AdapterRefused, ModelNotFound, ServingError

from .packing import pack
from .protocol import AdapterInfo, ShareInfo, VersionInfo
from .staging import room_needed

PATHS = ("replay", "output_dir", "data", "base", "from_adapter")  # options that may hold one


class Adapters:
    """All but `remove` and `unload` read files, and so belong into a thread."""

    def __init__(self, engine: Engine, store: AdapterStore, moves: Moves | None = None) -> None:
        """`moves` writes down what people move; None: nothing does."""
        self.store = store
        self._moves = moves
        self.loaded: set[str] = set()  # names, by a client that asked for it
        self._engine = engine

    def describe_all(self) -> list[AdapterInfo]:
        """Those that the caller may use."""
        may_use = current_caller.get().may_use
        return [self._info(entry) for entry in self.store.entries() if may_use(entry.name)]

    def describe(self, name: str) -> AdapterInfo:
        """Raises ModelNotFound or AdapterRefused."""
        return self._info(self.entry(name), with_cards=True)

    async def load_ahead(self, name: str, version: str) -> None:
        """Bring a version to every server that will be asked for it; where there are none, its
        first request does. Raises as `promote`, and EngineFailed."""
        if self._engine.stats().servers:
            entry = await run_in_threadpool(self.entry, name, version)
            await self._engine.load(await run_in_threadpool(self.store.pin, entry))

    def promote(self, name: str, version: str) -> AdapterInfo:
        """Raises ModelNotFound, or AdapterRefused for a version that could not be served."""
        entry = self.entry(name, version)
        with room_needed(), self._noted(name):
            promote(self.store.adapters, entry.name, entry.number)
        return self.describe(name)

    def share(self, name: str, version: str | None, percent: int) -> AdapterInfo:
        """Let a version answer so many of the requests; at 0 %, end that.

        Raises ModelNotFound, AdapterRefused, or InvalidRequest for the promoted version.
        """
        if percent and version is None:
            raise InvalidRequest("version: say which one is to have the share.", "version")
        entry = self.entry(name, version)
        try:
            with room_needed(), self._noted(name):
                if percent:
                    share(self.store.adapters, entry, percent)
                else:
                    end_share(self.store.adapters, name)
        except AdapterInvalid as error:
            raise InvalidRequest(str(error), "version") from error
        return self.describe(name)

    def roll_back(self, name: str) -> AdapterInfo:
        """Raises ModelNotFound, or InvalidRequest where there is no older version."""
        with suppress(AdapterRefused):  # a damaged one is what people go back from
            self.entry(name)
        try:
            with room_needed(), self._noted(name):
                rollback(self.store.adapters, name)
        except AdapterInvalid as error:
            raise InvalidRequest(str(error), "name") from error
        return self.describe(name)

    def pack(self, name: str, version: str) -> Iterator[bytes]:
        """A version's files as one .zip, in pieces. Raises ModelNotFound, or AdapterRefused where
        they are not what was written."""
        entry = self.entry(name, version)
        try:
            entry.check_whole()
        except (AdapterInvalid, OSError) as error:
            raise AdapterRefused.of(error, entry) from error
        return pack(entry)

    async def remove(self, reference: str) -> None:
        """Remove a name or name@version for good; running requests keep what they have.

        Raises ModelNotFound.
        """
        check_mine(reference.partition("@")[0])
        for ref in await run_in_threadpool(self._remove, reference):
            await self._engine.unload(ref)

    async def unload(self, reference: str) -> int:
        """Free the memory of a name's versions, or of name@version. Returns the bytes freed."""
        refs = await run_in_threadpool(self._known, reference)
        return sum([await self._engine.unload(ref) for ref in refs])

    def _noted(self, name: str) -> AbstractContextManager[None]:
        if self._moves is None:
            return nullcontext()
        return self._moves.by_person(name, current_caller.get().owner)

    def entry(self, name: str, version: str | None = None) -> AdapterVersion:
        """A version, the promoted one if none is named. Raises AdapterRefused, or ModelNotFound
        with the caller's adapters alone."""
        check_mine(name)
        try:
            return self.store.entry(Part(name, version))
        except ModelNotFound as error:
            raise ModelNotFound(error.model, self._names()) from None

    def _names(self) -> list[str]:
        may_use = current_caller.get().may_use
        return [name for name in self.store.names() if may_use(name)]

    def _remove(self, reference: str) -> list[AdapterRef]:
        adapters = self.store.adapters
        try:
            version = find_version(adapters, reference)
        except AdapterInvalid as error:
            raise ModelNotFound(reference, self._names()) from error
        refs = self._known(reference)
        with room_needed():
            if "@" in reference:
                remove_version(adapters, version)
            else:
                remove_name(adapters, version.name)
        if "@" not in reference:
            self.store.readmit(version.name)  # whatever comes by that name next
            self.loaded.discard(version.name)
        return refs

    def _known(self, reference: str) -> list[AdapterRef]:
        """The versions meant that may be in memory."""
        name, _, number = reference.partition("@")
        numbers = [number] if number else list_versions(self.store.adapters, name)
        entries = [self._readable(name, each) for each in numbers]
        refs = [self.store.pinned(entry) for entry in entries if entry is not None]
        return [ref for ref in refs if ref is not None]

    def _readable(self, name: str, version: str) -> AdapterVersion | None:
        folder = version_folders(self.store.adapters, name).get(version)
        try:
            return None if folder is None else self.store.read(name, version, folder)
        except AdapterRefused:
            return None

    def _info(self, entry: AdapterVersion, *, with_cards: bool = False) -> AdapterInfo:
        given = self.store.share(entry.name)
        return AdapterInfo(
            id=entry.name,
            created=entry.created,
            promoted=entry.number,
            share=given and ShareInfo(version=given.version, percent=given.percent),
            in_memory=self._is_in_memory(entry),
            card=_shown(entry),
            versions=[
                self._version_info(entry.name, version, with_cards)
                for version in list_versions(self.store.adapters, entry.name)
            ],
        )

    def _version_info(self, name: str, version: str, with_card: bool) -> VersionInfo:
        try:
            entry = self.store.entry(Part(name, version))
        except ServingError as error:
            return VersionInfo(version=version, problem=str(error))
        return VersionInfo(
            version=version,
            created=entry.created,
            in_memory=self._is_in_memory(entry),
            num_bytes=entry.num_bytes,
            card=_shown(entry) if with_card else None,
        )

    def _is_in_memory(self, entry: AdapterVersion) -> bool:
        ref = self.store.pinned(entry)
        return ref is not None and self._engine.holds(ref)


def _shown(entry: AdapterVersion) -> dict[str, Any] | None:
    return None if entry.card is None else without_folders(entry.card)


def without_folders(card: AdapterCard) -> dict[str, Any]:
    """A card as strangers may see it: of files the names alone, of conversations no hashes."""
    known = card.model_dump(mode="json", exclude={"held_out"})
    if card.data is not None:
        known["data"]["source"] = file_name(card.data.source)
    known["config"] = {
        key: file_name(value) if key in PATHS and isinstance(value, str) else value
        for key, value in card.config.items()
    }
    return known


def file_name(path: str) -> str:
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]
