"""vLLM's loading and unloading: a name comes into memory and into service, or leaves both."""

import asyncio
import filecmp
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from fastapi.concurrency import run_in_threadpool

from finetune.adapters.files import CARD_FILE, CONFIG_FILE, FILES
from finetune.adapters.version import AdapterVersion
from finetune.adapters.versions import promote, promoted_version
from service.accounts.caller import check_mine
from service.errors import AdapterNotFound, InvalidRequest, NotAllowed, said_of
from serving.adapters.notation import Part
from serving.adapters.store import AdapterStore
from serving.engine import Engine
from serving.errors import AdapterRefused, ModelNotFound

from .adapters import Adapters
from .intake import Intake, taken
from .protocol import AdapterTaken, LoadLora


class LoraLoading:
    """Remembers what it has loaded: loading a name twice is refused, as vLLM does."""

    def __init__(
        self,
        engine: Engine,
        adapters: Adapters,
        intake: Intake,
        allowed: Sequence[Path],
    ) -> None:
        self._engine = engine
        self._adapters = adapters
        self._intake = intake
        self._allowed = [Path(os.path.realpath(folder)) for folder in allowed]
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # by name

    @property
    def _store(self) -> AdapterStore:
        return self._adapters.store

    async def load(self, asked: LoadLora) -> AdapterTaken:
        """Bring an adapter from under home, or from a folder that is allowed, into service.

        Raises InvalidRequest, NotAllowed, AdapterNotFound, OfField and what an intake does.
        """
        name = asked.lora_name
        with said_of("lora_name"):
            check_mine(name)
        folder = await run_in_threadpool(self._find, asked.lora_path)
        own = folder.relative_to(self._home).parts if folder.is_relative_to(self._home) else None
        if own is None:
            await run_in_threadpool(self._intake.check_name, name, "lora_name")
        elif own not in ((name,), (name, own[-1])):
            raise InvalidRequest(
                f"'lora_path' leads to the adapter {own[0] if own else ''!r}, not to {name!r}. "
                "Under the server's own folder the path is the name, or name/version.",
                "lora_name",
            )
        async with self._locks[name]:
            await self._check_new(asked)
            with said_of("lora_path"):
                answer = await (self._copy(folder, asked) if own is None else self._take(*own))
            self._adapters.loaded.add(name)
            return answer

    async def unload(self, name: str) -> int:
        """Free an adapter's memory, and let its name be unknown until it is loaded again.

        Returns the bytes freed. Raises OfField for an unknown name.
        """
        with said_of("lora_name"):
            check_mine(name)
            await run_in_threadpool(self._store.versions, name)
        async with self._locks[name]:
            self._store.withdraw(name)
            self._adapters.loaded.discard(name)
            return await self._adapters.unload(name)

    @property
    def _home(self) -> Path:
        return Path(os.path.realpath(self._store.adapters))

    def _find(self, path: str) -> Path:
        """The real folder. Raises NotAllowed, AdapterNotFound or InvalidRequest."""
        try:
            return self._find_allowed(path)
        except ValueError as error:  # a NUL byte
            raise InvalidRequest("'lora_path' is no path.", "lora_path") from error
        except OSError as error:  # too long a name, or a folder that may not be read
            raise InvalidRequest(
                f"'lora_path' cannot be read: {error.strerror}.", "lora_path"
            ) from error

    def _find_allowed(self, path: str) -> Path:
        """One that is not allowed is not looked at."""
        folder = Path(os.path.realpath(self._store.adapters / path))
        roots = [self._home, *self._allowed]
        if not any(_lies_in(folder, root) for root in roots):
            raise NotAllowed(
                "'lora_path' leads to a folder that this server may not load from. Its operator "
                "can allow folders with the setting lora_folders; adapters in the server's own "
                "folder are there already, by their names.",
                "lora_path",
            )
        if not (folder / CONFIG_FILE).is_file() and not _lies_in(folder, self._home):
            raise AdapterNotFound(f"There is no adapter in 'lora_path': no {CONFIG_FILE} there.")
        for file in FILES:
            if not any(_lies_in(Path(os.path.realpath(folder / file)), root) for root in roots):
                raise NotAllowed(
                    f"{file} in 'lora_path' is a link that leads elsewhere.", "lora_path"
                )
        return folder

    async def _check_new(self, asked: LoadLora) -> None:
        name = asked.lora_name
        if asked.load_inplace or name not in self._adapters.loaded:
            return
        try:
            await run_in_threadpool(self._store.versions, name)
        except ModelNotFound:  # removed since
            return
        raise InvalidRequest(
            f"The lora adapter '{name}' has already been loaded. If you want to load the adapter "
            "in place, set 'load_inplace' to True.",
            "lora_name",
        )

    async def _take(self, name: str, version: str | None = None) -> AdapterTaken:
        """A version under home; if the path names it, the name means it from now on."""
        try:
            entry = await run_in_threadpool(self._store.entry_of_any, Part(name, version))
        except ModelNotFound as error:
            raise AdapterNotFound(f"There is no adapter in 'lora_path'. {error}") from error
        return await self._serve(entry)

    async def _copy(self, folder: Path, asked: LoadLora) -> AdapterTaken:
        """A folder elsewhere, unless that is what the name means already."""
        try:
            entry = await run_in_threadpool(self._same, folder, asked.lora_name)
            if entry is None:
                name, accept = asked.lora_name, asked.accept_base
                return await self._intake.copy(folder, name, accept_base=accept)
        except PermissionError as error:
            raise AdapterNotFound("The server may not read all files in 'lora_path'.") from error
        return await self._serve(entry)

    async def _serve(self, entry: AdapterVersion) -> AdapterTaken:
        ref = await run_in_threadpool(self._store.pin, entry)
        report = await self._engine.load(ref)
        await run_in_threadpool(self._promote, entry)
        self._store.readmit(entry.name)
        return taken(entry, report, promoted=True)

    def _promote(self, entry: AdapterVersion) -> None:
        adapters = self._store.adapters
        if promoted_version(adapters, entry.name) != entry.number:
            promote(adapters, entry.name, entry.number)

    def _same(self, folder: Path, name: str) -> AdapterVersion | None:
        """The promoted version, where its files are those in the folder."""
        adapters = self._store.adapters
        version = promoted_version(adapters, name)
        if version is None:
            return None
        try:
            entry = self._store.read(name, version, adapters / name / version)
        except AdapterRefused:
            return None
        is_accepted = entry.card is not None and entry.card.imported is not None
        files = [file for file in FILES if file != CARD_FILE or not is_accepted]
        same = all(_same_file(folder / file, entry.folder / file) for file in files)
        return entry if same else None


def _lies_in(path: Path, root: Path) -> bool:
    return path != root and path.is_relative_to(root)


def _same_file(one: Path, other: Path) -> bool:
    if not (one.is_file() and other.is_file()):
        return one.is_file() == other.is_file()
    return filecmp.cmp(one, other, shallow=False)
