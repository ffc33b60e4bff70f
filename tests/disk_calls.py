"""What is asked of the disk, in order: which files are written through, and which take a place."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

CHANCE = re.compile(r"(?<=\.new-)[\w-]+|(?<=\.)\d+$")  # of names that are made up


def record_disk(monkeypatch: pytest.MonkeyPatch, root: Path) -> list[str]:
    """A list that grows by each call, with paths below `root`; ? is what chance has named."""
    calls: list[str] = []
    fsync, replace, rename = os.fsync, os.replace, os.rename

    def name(path: Any) -> str:
        return "/".join(CHANCE.sub("?", part) for part in Path(path).relative_to(root).parts) or "."

    def recorded_fsync(descriptor: int) -> None:
        calls.append(f"fsync {name(os.readlink(f'/proc/self/fd/{descriptor}'))}")
        fsync(descriptor)

    def recorded_replace(source: Any, target: Any) -> None:
        calls.append(f"{name(source)} -> {name(target)}")
        replace(source, target)

    def recorded_rename(source: Any, target: Any) -> None:
        calls.append(f"{name(source)} -> {name(target)}")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    monkeypatch.setattr(os, "rename", recorded_rename)
    return calls
