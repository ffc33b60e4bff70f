"""Adapter folders: names, versions, the promoted one.

adapters/<name>/promoted           the version that the bare name means
adapters/<name>/shared             a version that answers a share of its requests (`share`)
adapters/<name>/<version>/         one immutable version
adapters/<name>/adapter_model…     or: a bare PEFT folder, a name with the one version "1"
"""

import os
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from data.whole_file import (
    make_lasting,
    new_folder,
    remove_whole,
    write_through,
)
from data.wording import _
from finetune.errors import AdapterInvalid

from .files import CONFIG_FILE, WEIGHTS_FILE
from .pointer import read_pointer, write_pointer
from .share import WHOLE, Share, read_share, remove_share, write_share
from .version import AdapterVersion

NAME = re.compile(r"\w[\w.-]{0,63}")
PROMOTED_FILE = "promoted"
BARE_VERSION = "1"
MAX_POINTER = 64  # [bytes] that a version's number can take


def check_name(name: str, base_id: str) -> str:
    """Return `name`. Raises AdapterInvalid where it cannot be an adapter's."""
    if not NAME.fullmatch(name):
        told = _(
            "{name!r} cannot be an adapter's name: use letters, digits, '_', '-' and '.', at most "
            "64, beginning with a letter, a digit or '_'. Choose one with --name."
        )
        raise AdapterInvalid(told.format(name=name))
    if name == base_id:
        told = _("{name!r} is the base model's id. Choose another name with --name.")
        raise AdapterInvalid(told.format(name=name))
    return name


def list_names(adapters: Path) -> list[str]:
    """The names that have at least one version."""
    return [name for name in folder_names(adapters) if list_versions(adapters, name)]


def folder_names(adapters: Path) -> list[str]:
    """What may be adapters, by their folders' names alone."""
    return sorted(name for name in _list_folder(str(adapters)) if NAME.fullmatch(name))


def list_versions(adapters: Path, name: str) -> list[str]:
    """The versions of an adapter, oldest first."""
    folder = f"{adapters}{os.sep}{name}"  # a server asks for a thousand names: Path is slow
    if _has_weights(folder):
        return [BARE_VERSION]
    found = [entry for entry in _list_folder(folder) if entry.isdecimal()]
    return sorted((each for each in found if _has_weights(f"{folder}{os.sep}{each}")), key=int)


def _has_weights(folder: str) -> bool:
    return os.path.isfile(f"{folder}{os.sep}{WEIGHTS_FILE}")


def _list_folder(folder: str) -> list[str]:
    """Empty where there is none, or no longer."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def version_folder(adapters: Path, name: str, version: str) -> Path:
    if version == BARE_VERSION and _has_weights(f"{adapters}{os.sep}{name}"):
        return adapters / name
    return adapters / name / version


def version_folders(adapters: Path, name: str) -> dict[str, Path]:
    """The folders of all versions, damaged ones too, oldest first."""
    home = adapters / name
    if any((home / file).is_file() for file in (WEIGHTS_FILE, CONFIG_FILE)):
        return {BARE_VERSION: home}
    found = home.iterdir() if home.is_dir() else []
    numbered = [path for path in found if path.name.isdecimal() and path.is_dir()]
    return {path.name: path for path in sorted(numbered, key=lambda path: int(path.name))}


def find_version(adapters: Path, reference: str) -> AdapterVersion:
    """What `name` or `name@version` means. Raises AdapterInvalid where there is no such one."""
    name, at, number = reference.partition("@")
    folders = version_folders(adapters, name) if NAME.fullmatch(name) else {}
    if folders and not at:
        number = promoted_version(adapters, name) or list(folders)[-1]
    if number not in folders:
        told = _(
            "There is no adapter {reference!r} under {folder}. Adapters here: {names}. `lora-chat "
            "adapters list` shows their versions."
        )
        names = ", ".join(list_names(adapters)) or _("none yet")
        raise AdapterInvalid(told.format(reference=reference, folder=adapters, names=names))
    return AdapterVersion(name, number, folders[number])


def promoted_version(adapters: Path, name: str) -> str | None:
    """The version that the bare name means: the promoted one, or else the newest."""
    return promoted_of(adapters, name, list_versions(adapters, name))


def promoted_of(adapters: Path, name: str, versions: Sequence[str]) -> str | None:
    """The same, of versions that have been listed."""
    if not versions:
        return None
    chosen = _chosen(adapters, name)
    return chosen if chosen in versions else versions[-1]


def _chosen(adapters: Path, name: str) -> str | None:
    """What the pointer says, be there such a version or not."""
    return read_pointer(f"{adapters}{os.sep}{name}{os.sep}{PROMOTED_FILE}", MAX_POINTER)


def promote(adapters: Path, name: str, version: str) -> None:
    """Let the bare name mean `version` from now on, and no other have a share of its requests: in
    one step, to survive a power cut."""
    remove_share(adapters / name)
    write_pointer(adapters / name / PROMOTED_FILE, version)


def share_of(adapters: Path, name: str) -> Share | None:
    """The share of an adapter's requests that another version than the promoted one answers; None
    where there is none, or no longer: another was promoted, or the one that had it is gone."""
    share = read_share(f"{adapters}{os.sep}{name}")
    if share is None:
        return None
    versions = list_versions(adapters, name)
    is_beside = share.version != share.beside == promoted_of(adapters, name, versions)
    return share if is_beside and share.version in versions else None


def share(adapters: Path, version: AdapterVersion, percent: int) -> Share:
    """Let a version answer so many of the requests for its name. Raises AdapterInvalid where it is
    promoted, and answers all of them."""
    name, number = version.name, version.number
    beside = promoted_version(adapters, name) or number
    if beside == number:
        told = _("{version} is promoted and answers all requests: there is no share to give it.")
        raise AdapterInvalid(told.format(version=version))
    if not 0 < percent < WHOLE:
        raise AdapterInvalid(_("a share is 1 to 99 percent; promote a version that is to have all"))
    _pin(adapters, name)
    given = Share(number, beside, percent)
    write_share(adapters / name, given)
    return given


def end_share(adapters: Path, name: str) -> None:
    """Let the promoted version answer all requests again."""
    remove_share(adapters / name)


def rollback(adapters: Path, name: str) -> str:
    """Promote the version before the promoted one, and return it. Raises AdapterInvalid."""
    versions = list_versions(adapters, name)
    promoted = find_version(adapters, name).number
    older = versions[: versions.index(promoted)] if promoted in versions else []
    if not older:
        told = _(
            "{name}@{version} is the oldest version of {name!r}: there is none to go back to. Its "
            "versions: {versions}."
        )
        listed = ", ".join(versions)
        raise AdapterInvalid(told.format(name=name, version=promoted, versions=listed))
    promote(adapters, name, older[-1])
    return older[-1]


def heir_of(adapters: Path, version: AdapterVersion) -> str | None:
    """The version before the one to be removed, where that one is promoted: newer ones may have
    been kept back. The newest, where there is none before."""
    if promoted_version(adapters, version.name) != version.number:
        return None
    others = [each for each in list_versions(adapters, version.name) if each != version.number]
    older = [each for each in others if int(each) < int(version.number)]
    return next(reversed(older or others), None)


def remove_version(adapters: Path, version: AdapterVersion) -> None:
    """Remove one version, at once and whole; with the last one goes the name.

    Where it is promoted, its heir takes its place first.
    """
    if heir := heir_of(adapters, version):
        promote(adapters, version.name, heir)
    home = adapters / version.name
    given = share_of(adapters, version.name)
    if given and given.version == version.number:  # the number may come again
        remove_share(home)
    remove_whole(version.folder)
    if version.folder != home and not version_folders(adapters, version.name):
        (home / PROMOTED_FILE).unlink(missing_ok=True)
        remove_share(home)
        with suppress(OSError):  # what else a person keeps in there stays
            home.rmdir()


def remove_name(adapters: Path, name: str) -> None:
    """Remove an adapter with all its versions, at once."""
    remove_whole(adapters / name)


@contextmanager
def staging_folder(adapters: Path, owner: str = "") -> Generator[Path]:
    """Yield an empty folder that no server looks into, to fill and `install`; it is gone after, and
    where the block raises, nothing has appeared. Of an owner, see `new_folder`."""
    make_lasting(adapters)
    with new_folder(adapters, owner) as folder:
        yield folder


def check_has_versions(adapters: Path, name: str) -> None:
    """Raises AdapterInvalid where a name has no room for another version."""
    if any((adapters / name / file).is_file() for file in (WEIGHTS_FILE, CONFIG_FILE)):
        told = _(
            "{folder} is a bare adapter folder without versions. Choose another name with --name, "
            "or move its files into a folder '1' in it."
        )
        raise AdapterInvalid(told.format(folder=adapters / name))


def install(adapters: Path, name: str, staged: Path, *, promoted: bool = True) -> AdapterVersion:
    """Make a staged folder the next version of a name, in one step, to survive a power cut.

    Raises AdapterInvalid where the name has no room for one.
    """
    check_has_versions(adapters, name)
    home = adapters / name
    make_lasting(home)
    if not promoted:
        _pin(adapters, name)
    staged.chmod(0o755)
    write_through(*staged.rglob("*"), staged)
    number = _rename_into_place(staged, home)
    write_through(home, adapters)
    is_first = not any(int(each) < int(number) for each in list_versions(adapters, name))
    try:
        if promoted or is_first:
            promote(adapters, name, number)
    except OSError:  # no room for the pointer: as if nothing had been
        remove_whole(home / number)
        raise
    return AdapterVersion(name, number, home / number)


def _pin(adapters: Path, name: str) -> None:
    """Let the bare name mean what it means now, also where a version comes that is kept back:
    without a pointer to one that is there, the newest counts."""
    versions = list_versions(adapters, name)
    if versions and _chosen(adapters, name) not in versions:
        promote(adapters, name, versions[-1])


def _rename_into_place(temporary: Path, home: Path) -> str:
    number = 1 + max(
        (int(path.name) for path in home.iterdir() if path.name.isdecimal()), default=0
    )
    while True:
        try:
            os.rename(temporary, home / str(number))
            return str(number)
        except OSError:
            # Another run took the number; a full or unwritable disk is another matter.
            if not (home / str(number)).exists():
                raise
            number += 1
