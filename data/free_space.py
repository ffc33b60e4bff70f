"""Whether a disk has room for what is to be written, asked before the work begins."""

import shutil
from pathlib import Path

from .errors import NoRoom
from .wording import _


def free_space(folder: Path) -> int:
    """Bytes left on the disk of a folder, which need not exist yet."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free


def check_space(needed: int, folder: Path, work: str, advice: str) -> None:
    """Raises NoRoom where so many bytes do not fit; `work` and `advice` are the user's words."""
    free = free_space(folder)
    if free < needed:
        told = _(
            "{work} takes up to {needed}, and the disk of {folder} has {free} left. Make room "
            "there, or {advice}."
        ).format(work=work, needed=_told(needed), folder=folder, free=_told(free), advice=advice)
        raise NoRoom(told)


def _told(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"
