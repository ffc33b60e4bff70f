"""`lora-chat adapters remove`: what is asked, refused and said before anything is gone."""

from pathlib import Path

import typer

from data.wording import _
from finetune.adapters.version import AdapterVersion
from finetune.adapters.versions import (
    find_version,
    heir_of,
    remove_name,
    remove_version,
    version_folders,
)
from finetune.errors import AdapterInvalid


def remove(reference: str, adapters: Path, *, is_sure: bool) -> None:
    """A name with all its versions, or one version. Raises AdapterInvalid."""
    version = find_version(adapters, reference)
    if "@" in reference:
        _remove_version(version, adapters, is_sure=is_sure)
        return
    name, numbers = version.name, ", ".join(version_folders(adapters, version.name))
    question = _(
        "Remove {name!r} with all its versions ({versions})? It cannot be brought back."
    ).format(name=name, versions=numbers)
    _confirm(question, is_sure=is_sure)
    remove_name(adapters, name)
    typer.echo(_("Removed {name!r}, versions {versions}.").format(name=name, versions=numbers))


def means(name: str, number: str) -> str:
    """What is said where a name means another version from now on."""
    told = _("{name!r} means {adapter} from now on.")
    return told.format(name=name, adapter=f"{name}@{number}")


def _remove_version(version: AdapterVersion, adapters: Path, *, is_sure: bool) -> None:
    heir = heir_of(adapters, version)
    if heir and not is_sure:
        told = _(
            "{adapter} is what {name!r} means, and there are other versions. Promote one of them "
            "first: lora-chat adapters promote {heir}. Or add --yes, which promotes that one for "
            "you."
        ).format(adapter=version, name=version.name, heir=f"{version.name}@{heir}")
        raise AdapterInvalid(told)
    question = _("Remove {adapter}? It cannot be brought back.").format(adapter=version)
    _confirm(question, is_sure=is_sure)
    remove_version(adapters, version)
    if heir:
        typer.echo(means(version.name, heir))
    typer.echo(_("Removed {adapter}.").format(adapter=version))


def _confirm(question: str, *, is_sure: bool) -> None:
    if not is_sure:
        typer.confirm(question, abort=True, err=True)
