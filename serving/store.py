"""The adapters under home, as they are at this moment: names to pinned versions.

Nothing is cached but hashes, so that a folder copied in while the server runs is there for the
next request, and a promotion counts from the next request on.
"""

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from finetune.adapter import list_names, list_versions, promoted_version, version_folder
from finetune.card import TEMPLATE_FILE, AdapterCard, read_card
from finetune.errors import AdapterInvalid
from finetune.fingerprint import Fingerprint
from finetune.lora import CONFIG_FILE, WEIGHTS_FILE, read_lora

from .engine import AdapterRef, Blend
from .errors import AdapterRefused, BlendError, ModelNotFound
from .notation import Part, parse_model

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AdapterEntry:
    """One version with what it brings along."""

    name: str
    version: str
    folder: Path
    card: AdapterCard | None  # None: a bare PEFT folder
    template: str | None  # the chat template it was trained with

    @property
    def created(self) -> int:
        """Unix seconds."""
        if self.card is not None:
            return int(self.card.created.timestamp())
        return int((self.folder / WEIGHTS_FILE).stat().st_mtime)


class AdapterStore:
    """Finds adapter versions and checks that they belong to the base being served."""

    def __init__(self, adapters: Path, base: Fingerprint | None = None) -> None:
        self.adapters = adapters
        self.base = base
        self._hashes: dict[tuple[Path, int, int], str] = {}
        self._warned: dict[str, str] = {}

    def names(self) -> list[str]:
        return list_names(self.adapters)

    def entries(self) -> list[AdapterEntry]:
        """The promoted version of every adapter; the log says which are damaged or foreign."""
        found: list[AdapterEntry] = []
        for name in self.names():
            try:
                found.append(self.entry(Part(name)))
            except ModelNotFound:
                continue  # deleted since it was listed
            except AdapterRefused as error:
                self._warn_once(name, str(error))
        return found

    def _warn_once(self, name: str, problem: str) -> None:
        if self._warned.get(name) != problem:
            self._warned[name] = problem
            logger.warning("The adapter %s is not listed: %s", name, problem)

    def entry(self, part: Part) -> AdapterEntry:
        """Raises ModelNotFound for an unknown name or version, AdapterRefused for a bad folder."""
        version = part.version or promoted_version(self.adapters, part.name)
        if version is None or version not in list_versions(self.adapters, part.name):
            asked = part.name if part.version is None else f"{part.name}@{part.version}"
            raise ModelNotFound(asked, self.names())
        folder = version_folder(self.adapters, part.name, version)
        try:
            read_lora(folder)
            card = read_card(folder)
            template = folder / TEMPLATE_FILE
            text = template.read_text(encoding="utf-8") if template.is_file() else None
        except (AdapterInvalid, OSError) as error:
            raise self._refusal(error) from error
        self._check_base(part.name, card)
        return AdapterEntry(part.name, version, folder, card, text)

    def pin(self, entry: AdapterEntry) -> AdapterRef:
        """The entry as its files are now: reads them whole the first time, to hash them."""
        try:
            sha256 = self._sha256(entry.folder)
        except OSError as error:
            raise self._refusal(error) from error
        return AdapterRef(entry.name, entry.version, sha256, entry.folder)

    def confirm(self, ref: AdapterRef) -> None:
        """Once its files have been read: raises AdapterRefused if they are others by now."""
        try:
            is_same = self._sha256(ref.folder) == ref.sha256
        except OSError as error:
            raise self._refusal(error) from error
        if not is_same:
            raise AdapterRefused(f"The adapter {ref} was replaced while it was loaded. Ask again.")

    def resolve(self, model: str) -> tuple[list[AdapterEntry], Blend]:
        """What a model's name means now; the base's own id is not this store's business.

        Raises ModelNotFound, BlendError or AdapterRefused.
        """
        parts = parse_model(model)
        if parts is None:
            raise ModelNotFound(model, self.names())
        entries = [self.entry(part) for part in parts]
        if len({entry.folder for entry in entries}) < len(entries):
            raise BlendError(f"The blend {model!r} names an adapter version twice. Add its scales.")
        blend = tuple((self.pin(e), part.scale) for e, part in zip(entries, parts, strict=True))
        return entries, blend

    def _refusal(self, error: Exception) -> AdapterRefused:
        """Clients see this message: where home lies is not their business."""
        return AdapterRefused(str(error).replace(f"{self.adapters}{os.sep}", ""))

    def _check_base(self, name: str, card: AdapterCard | None) -> None:
        if card is None or self.base is None:
            return
        if differences := card.base.fingerprint.differences(self.base):
            raise AdapterRefused(
                f"The adapter {name!r} was trained on the base {card.base.id!r}, not on the one "
                f"served here: {'; '.join(differences)}. Serve it with --base {card.base.id}."
            )

    def _sha256(self, folder: Path) -> str:
        digest = hashlib.sha256()
        for name in (CONFIG_FILE, WEIGHTS_FILE):
            path = folder / name
            status = path.stat()
            key = (path, status.st_mtime_ns, status.st_size)
            if key not in self._hashes:
                with path.open("rb") as file:
                    self._hashes[key] = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(self._hashes[key].encode())
        return digest.hexdigest()
