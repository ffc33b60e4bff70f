"""How an adapter's files become a version: staged, checked, loaded, then there in one step."""

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import anyio
from fastapi.concurrency import run_in_threadpool
from pydantic import TypeAdapter, ValidationError

from finetune.adapters.card import BaseIdentity, Imported, write_import_card
from finetune.adapters.files import CARD_FILE, FILES, WEIGHTS_FILE
from finetune.adapters.lora import read_settings
from finetune.adapters.other_forms import other_form
from finetune.adapters.version import AdapterVersion
from finetune.adapters.versions import (
    NAME,
    check_has_versions,
    install,
    promoted_version,
    staging_folder,
)
from finetune.errors import AdapterInvalid
from service.accounts.caller import check_mine
from service.errors import InvalidRequest, said_of
from serving.adapters.store import AdapterStore
from serving.engine import AdapterRef, Engine, LoadReport
from serving.errors import AdapterRefused

from .protocol import AdapterTaken
from .staging import StagedFiles, room_needed
from .upload import receive

STAGED = "new"  # of a version that has no number yet
CHUNK = 1 << 20  # [bytes]
FIELDS = ("name", "promote", "accept_base")


class Intake:
    """Takes adapters in. What is refused leaves nothing behind, and changes nothing."""

    def __init__(self, engine: Engine, store: AdapterStore, base_id: str, limit: int) -> None:
        self._engine = engine
        self._store = store
        self._base_id = base_id
        self._limit = limit  # [bytes]

    async def upload(
        self, content_type: str, chunks: AsyncIterable[bytes], asked: dict[str, str]
    ) -> AdapterTaken:
        """A request's body becomes a version of the name in `asked` or in the body.

        Raises InvalidRequest, UploadTooLarge or DiskFull.
        """
        if "name" in asked:
            await run_in_threadpool(self.check_name, asked["name"], "name")
        async with self._staging() as staged:
            fields = await receive(content_type, chunks, staged)
            name, promoted, accept_base = _read_fields(asked, fields)
            await run_in_threadpool(self.check_name, name, "name")
            if accept_base:
                await run_in_threadpool(self._accept, staged.folder, name, "an upload")
            return await self._take(staged.folder, name, "file", promoted=promoted)

    async def copy(self, source: Path, name: str, *, accept_base: bool = False) -> AdapterTaken:
        """A folder elsewhere becomes a version of a name, and is what it means from now on.

        Raises InvalidRequest, UploadTooLarge or DiskFull.
        """
        async with self._staging() as staged:
            await run_in_threadpool(_copy, source, staged)
            if accept_base:
                await run_in_threadpool(self._accept, staged.folder, name, source.name)
            return await self._take(staged.folder, name, "lora_path", promoted=True)

    def check_name(self, name: str, field: str) -> str:
        """Raises InvalidRequest where a name cannot take another version, OfField where it is
        not the caller's."""
        with said_of(field):
            check_mine(name)
        if not NAME.fullmatch(name) or name == self._base_id:
            raise InvalidRequest(
                f"{name[:64]!r} cannot be an adapter's name: use letters, digits, '_', '-' and "
                "'.', at most 64, beginning with a letter, a digit or '_', and not the base's id.",
                field,
            )
        try:
            check_has_versions(self._store.adapters, name)
        except AdapterInvalid as error:
            raise InvalidRequest(
                f"{name!r} is a bare adapter folder without versions. Choose another name, or "
                "remove that one.",
                field,
            ) from error
        return name

    @asynccontextmanager
    async def _staging(self) -> AsyncGenerator[StagedFiles]:
        stack = ExitStack()
        try:
            with room_needed():
                folder = await run_in_threadpool(
                    stack.enter_context, staging_folder(self._store.adapters)
                )
                folder.chmod(0o755)  # servers that compute may run as somebody else
            staged = StagedFiles(folder, self._limit)
            stack.callback(staged.close)
            yield staged
        finally:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(stack.close)

    async def _take(self, folder: Path, name: str, field: str, *, promoted: bool) -> AdapterTaken:
        try:
            ref = await run_in_threadpool(self._pin, folder, name)
            report = await self._engine.load(ref)
        except AdapterRefused as error:
            raise InvalidRequest(error.told(name), field, "adapter_refused") from error
        if self._engine.stats().servers:  # which read it again later, from where it will lie then
            await self._engine.unload(ref)
        version = await run_in_threadpool(self._install, folder, name, promoted)
        self._store.readmit(name)
        is_promoted = await run_in_threadpool(promoted_version, self._store.adapters, name)
        return taken(version, report, promoted=is_promoted == version.number)

    def _accept(self, folder: Path, name: str, source: str) -> None:
        """Let a bare folder be one for this base, whatever it names; a card has its own word."""
        if self._store.base is None or (folder / CARD_FILE).is_file():
            return
        try:
            named = read_settings(folder).base_model_name_or_path
        except AdapterInvalid:  # which is said where it is read
            return
        identity = BaseIdentity(id=self._base_id, fingerprint=self._store.base)
        imported = Imported(source=source, named_base=named)
        with room_needed():
            write_import_card(folder, name, identity, imported, self._base_id)

    def _pin(self, folder: Path, name: str) -> AdapterRef:
        return self._store.pin(self._store.read(name, STAGED, folder))

    def _install(self, folder: Path, name: str, promoted: bool) -> AdapterVersion:
        with room_needed():
            return install(self._store.adapters, name, folder, promoted=promoted)


def taken(version: AdapterVersion, report: LoadReport, *, promoted: bool) -> AdapterTaken:
    return AdapterTaken(
        id=str(version),
        name=version.name,
        version=version.number,
        promoted=promoted,
        matched=list(report.matched),
        unmatched=list(report.unmatched),
        num_bytes=report.num_bytes,
    )


def _read_fields(asked: dict[str, str], fields: dict[str, str]) -> tuple[str, bool, bool]:
    """The name, whether it means the new version from now on, and whether the adapter may name
    another base. Raises InvalidRequest."""
    for field in fields:
        if field not in FIELDS or field in asked:
            why = "is in the URL, too" if field in asked else f"is none of {', '.join(FIELDS)}"
            raise InvalidRequest(f"The field {field[:64]!r} of the body {why}.", field[:64])
    together = asked | fields
    if "name" not in together:
        raise InvalidRequest("Give the adapter's name: ?name=tcm, or the field 'name'.", "name")
    promoted = _is_true("promote", together.get("promote", "true"))
    return together["name"], promoted, _is_true("accept_base", together.get("accept_base", "false"))


def _is_true(field: str, value: str) -> bool:
    try:
        return TypeAdapter(bool).validate_python(value)
    except ValidationError as error:
        raise InvalidRequest(f"{field!r} should be true or false.", field) from error


def _copy(source: Path, staged: StagedFiles) -> None:
    if not (source / WEIGHTS_FILE).is_file() and (known := other_form(source)):
        raise InvalidRequest(f"'lora_path' holds no {WEIGHTS_FILE}: {known}", "lora_path")
    for name in FILES:
        if (source / name).is_file():
            staged.begin(name)
            with (source / name).open("rb") as file:
                _pour(file, staged)
            staged.end()
    staged.check_complete()


def _pour(file: BinaryIO, staged: StagedFiles) -> None:
    while data := file.read(CHUNK):
        staged.write(data)
