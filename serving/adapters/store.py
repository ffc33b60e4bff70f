"""The adapters under home, as they are at this moment: names to pinned versions.

What a folder holds is read again as soon as one of its files has changed, so a folder copied in
while the server runs is there for the next request, and a promotion counts from the next on.
"""

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from finetune.adapters.files import PEFT_FILES, SERVED_FILES
from finetune.adapters.fit import Fit
from finetune.adapters.other_forms import other_form
from finetune.adapters.share import Share
from finetune.adapters.version import AdapterVersion
from finetune.adapters.versions import (
    BARE_VERSION,
    NAME,
    folder_names,
    list_names,
    list_versions,
    promoted_of,
    share_of,
    version_folder,
    version_folders,
)
from finetune.bases.fingerprint import Fingerprint
from finetune.errors import AdapterFault, AdapterInvalid, BaseMismatch
from serving.engine import AdapterRef, Blend
from serving.errors import AdapterRefused, BlendError, ModelNotFound

from .notation import Part, parse_model

logger = logging.getLogger(__name__)

MAX_FORGOTTEN = 100  # versions that are gone and still remembered
Stamp = tuple[int, ...]  # changes with a file's content, and not when its folder is moved


class AdapterStore:
    """Finds adapter versions and checks that they belong to the base being served."""

    def __init__(
        self, adapters: Path, base: Fingerprint | None = None, fit: Fit | None = None
    ) -> None:
        self.adapters = adapters
        self.runs = adapters.parent / "runs"  # whose checkpoints are read, too
        self.base = base
        self._fit = fit
        self._entries: dict[Path, tuple[list[Stamp | None], AdapterVersion]] = {}
        self._refused: dict[Path, tuple[list[Stamp | None], AdapterRefused]] = {}
        self._hashes: dict[Stamp, str] = {}
        self._warned: dict[str, str] = {}
        self._withdrawn: set[str] = set()

    def names(self) -> list[str]:
        return [name for name in list_names(self.adapters) if name not in self._withdrawn]

    def entries(self) -> list[AdapterVersion]:
        """The promoted version of every adapter; the log says which are damaged or foreign."""
        names = folder_names(self.adapters)
        found = [entry for name in names if (entry := self.listed(name)) is not None]
        self._forget_gone(len(found))
        return found

    def listed(self, name: str) -> AdapterVersion | None:
        """A name's promoted version, or None: it is gone, or the log says once what is wrong."""
        try:
            entry = self.entry(Part(name))
        except ModelNotFound:
            return None
        except AdapterRefused as error:
            self._warn(name, f"is not listed: {error}")
            return None
        self._warned.pop(name, None)
        return entry

    def entry(self, part: Part) -> AdapterVersion:
        """Raises ModelNotFound for an unknown name or version, AdapterRefused for a bad folder."""
        if part.name in self._withdrawn:
            raise ModelNotFound(part.name, self.names())
        return self.entry_of_any(part)

    def entry_of_any(self, part: Part) -> AdapterVersion:
        """The same, of names that have been withdrawn, too."""
        numbers = list_versions(self.adapters, part.name) if NAME.fullmatch(part.name) else []
        number = part.version or promoted_of(self.adapters, part.name, numbers)
        if number not in numbers:
            self._check_other_forms(part)
            asked = part.name if part.version is None else f"{part.name}@{part.version}"
            raise ModelNotFound(asked, self.names())
        folder = version_folder(self.adapters, part.name, number)
        return self.read(part.name, number, folder)

    def share(self, name: str) -> Share | None:
        """The share of a name's requests that another version answers, if it can be served."""
        share = share_of(self.adapters, name)
        if share is None or name in self._withdrawn:
            return None
        try:
            self.entry(Part(name, share.version))
        except (ModelNotFound, AdapterRefused) as error:
            self._warn(f"{name}@{share.version}", f"answers no share of the requests: {error}")
            return None
        return share

    def versions(self, name: str) -> list[str]:
        """Oldest first, damaged ones too. Raises ModelNotFound."""
        found = list_versions(self.adapters, name) if NAME.fullmatch(name) else []
        if not found or name in self._withdrawn:
            raise ModelNotFound(name, self.names())
        return found

    def read(self, name: str, number: str, folder: Path) -> AdapterVersion:
        """What a folder under `adapters` or `runs` holds. Raises AdapterRefused."""
        version = AdapterVersion(name, number, folder)
        stamps = [_stamp(f"{folder}{os.sep}{file}") for file in SERVED_FILES]
        known = self._entries.get(folder)
        if known is not None and known == (stamps, version):
            return known[1]
        refused = self._refused.get(folder)
        if refused is not None and refused[0] == stamps:
            raise AdapterRefused.of(refused[1], version)
        try:
            self.check_place(folder)
            self._check(version.read())
        except (AdapterInvalid, BaseMismatch) as error:
            raise self._refuse(error, version, stamps) from error
        except OSError as error:
            raise AdapterRefused.of(error, version) from error
        self._entries[folder] = (stamps, version)
        return version

    def examine(self, entry: AdapterVersion) -> None:
        """Read all of an adapter that was not trained here; one that holds no numbers is refused
        from then on. Raises AdapterRefused."""
        from finetune.adapters.gguf import read_peft

        stamps, known = self._entries.get(entry.folder, ([], None))
        if known is not entry or entry.card is not None or self._fit is None:
            return
        try:
            read_peft(entry.folder)
        except AdapterInvalid as error:
            self._entries.pop(entry.folder, None)
            raise self._refuse(error, entry, stamps) from error
        except OSError as error:
            raise AdapterRefused.of(error, entry) from error

    def pin(self, entry: AdapterVersion) -> AdapterRef:
        """The entry as its files are now: reads them whole the first time, to hash them."""
        try:
            sha256 = self._sha256(entry.folder)
        except (AdapterInvalid, OSError) as error:
            raise AdapterRefused.of(error, entry) from error
        return AdapterRef(entry.name, entry.number, sha256, entry.folder)

    def confirm(self, ref: AdapterRef) -> None:
        """Once its files have been read: raises AdapterRefused if they are others by now."""
        try:
            is_same = self._sha256(ref.folder) == ref.sha256
        except (AdapterInvalid, OSError) as error:
            raise AdapterRefused.of(error, ref) from error
        if not is_same:
            raise AdapterRefused("was replaced while it was loaded. Ask again.", ref)

    def pinned(self, entry: AdapterVersion) -> AdapterRef | None:
        """The same, or None where that would mean to read the files: nobody has asked for it."""
        stamps = [_stamp(f"{entry.folder}{os.sep}{name}") for name in PEFT_FILES]
        known = all(stamp is not None and stamp in self._hashes for stamp in stamps)
        return self.pin(entry) if known else None

    def resolve(self, model: str) -> tuple[list[AdapterVersion], Blend]:
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

    def withdraw(self, name: str) -> None:
        """Let a name be not found from now on, although its files stay."""
        self._withdrawn.add(name)

    def readmit(self, name: str) -> None:
        """Let a name be found again."""
        self._withdrawn.discard(name)

    def _refuse(
        self, error: AdapterFault, version: AdapterVersion, stamps: list[Stamp | None]
    ) -> AdapterRefused:
        """The same again for as long as the files are as they were."""
        self._refused[version.folder] = (stamps, AdapterRefused.of(error, version))
        return AdapterRefused.of(error, version)

    def _check_other_forms(self, part: Part) -> None:
        """Raises AdapterRefused where the name is that of an adapter in a form to be imported."""
        if not NAME.fullmatch(part.name):
            return
        found = {BARE_VERSION: self.adapters / part.name}
        found |= version_folders(self.adapters, part.name)
        for number, folder in reversed(found.items()):
            if part.version in (None, number) and other_form(folder):
                self.read(part.name, number, folder)

    def check_place(self, folder: Path, files: Sequence[str] = SERVED_FILES) -> None:
        """Raises AdapterInvalid for a link that would make the server read, let alone serve, what
        lies elsewhere."""
        allowed = self.runs if folder.is_relative_to(self.runs) else self.adapters
        root = os.path.realpath(allowed) + os.sep
        for file in ("", *files):
            if not os.path.realpath(folder / file).startswith(root):
                raise AdapterInvalid(
                    f"is a link that leads out of {allowed.name}. Copy in what it leads to.",
                    folder,
                    file,
                )

    def _check(self, version: AdapterVersion) -> None:
        """Raises AdapterInvalid, or BaseMismatch for what the base has no place for."""
        shapes = version.shapes()
        if version.card is None:
            if self._fit is not None:
                self._fit.check_name(version, version.settings.base_model_name_or_path)
        elif self.base is not None:
            version.card.check_base(version, self.base, "the one served here")
        if self._fit is not None:
            self._fit.check_tensors(version, version.settings, shapes)

    def _sha256(self, folder: Path) -> str:
        digest = hashlib.sha256()
        for name in PEFT_FILES:
            with (folder / name).open("rb") as file:
                stamp = _stamp(file.fileno())
                if stamp is None or stamp not in self._hashes:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
                    if stamp is None or _stamp(file.fileno()) != stamp:
                        problem = "is being written. Ask again when it is done."
                        raise AdapterInvalid(problem, folder, name)
                    self._hashes[stamp] = found
                digest.update(self._hashes[stamp].encode())
        return digest.hexdigest()

    def _warn(self, name: str, problem: str) -> None:
        """Once, until another problem comes."""
        if self._warned.get(name) != problem:
            self._warned[name] = problem
            logger.warning("The adapter %s %s", name, problem)

    def _forget_gone(self, num_names: int) -> None:
        """Versions that have been removed are not remembered for ever."""
        if len(self._entries) > 2 * num_names + MAX_FORGOTTEN:
            for folder in [each for each in list(self._entries) if not os.path.isdir(each)]:
                self._entries.pop(folder, None)
        if len(self._refused) > MAX_FORGOTTEN:
            self._refused = {f: known for f, known in self._refused.items() if os.path.isdir(f)}


def _stamp(file: str | int) -> Stamp | None:
    """None where there is no such file."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
