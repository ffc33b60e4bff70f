"""`lora-chat adapters remove`: what is asked, refused and said before anything is gone."""

from pathlib import Path

import typer

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
    numbers = ", ".join(version_folders(adapters, version.name))
    _confirm(f"Remove {version.name!r} with all its versions ({numbers})?", is_sure=is_sure)
    remove_name(adapters, version.name)
    typer.echo(f"Removed {version.name!r}, versions {numbers}.")


def _remove_version(version: AdapterVersion, adapters: Path, *, is_sure: bool) -> None:
    heir = heir_of(adapters, version)
    if heir and not is_sure:
        raise AdapterInvalid(
            f"{version} is what {version.name!r} means, and there are other versions. Promote "
            f"one of them first: lora-chat adapters promote {version.name}@{heir}. "
            "Or add --yes, which promotes that one for you."
        )
    _confirm(f"Remove {version}?", is_sure=is_sure)
    remove_version(adapters, version)
    if heir:
        typer.echo(f"{version.name!r} means {version.name}@{heir} from now on.")
    typer.echo(f"Removed {version}.")


def _confirm(question: str, *, is_sure: bool) -> None:
    if not is_sure:
        typer.confirm(f"{question} It cannot be brought back.", abort=True, err=True)
