"""What is asked of the disk, in order: which files are written through, and which take a place.

And processes that are killed at such a moment.
"""

import os
import re
import signal
from collections.abc import Callable
from multiprocessing import get_context
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


def killed_at(place: Path, act: Callable[..., object], *given: Any, is_taken: bool = False) -> None:
    """Let a process of its own act, which is killed when a file or folder takes its place: before,
    or right after."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["peft", "transformers", "finetune.job"])  # once for all
    process = context.Process(target=_act, args=(place, is_taken, act, given))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def _act(place: Path, is_taken: bool, act: Callable[..., object], given: tuple[Any, ...]) -> None:
    def dying(real: Any) -> Any:
        def take_place(source: Any, target: Any) -> None:
            if is_taken:
                real(source, target)
            if Path(target) == place:
                os.kill(os.getpid(), signal.SIGKILL)
            if not is_taken:
                real(source, target)

        return take_place

    os.rename, os.replace = dying(os.rename), dying(os.replace)
    act(*given)
