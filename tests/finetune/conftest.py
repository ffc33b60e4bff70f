"""A base as a downloaded hub snapshot, written on the spot."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

REVISION = "0" * 40
MakeHub = Callable[[str, Path], None]


@pytest.fixture
def make_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeHub:
    """Lay out a hub cache that holds a folder as the snapshot of an id; the hub is offline."""
    import huggingface_hub.constants as constants

    cache = tmp_path / "hub"
    cache.mkdir()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))

    def make(hub_id: str, folder: Path) -> None:
        repository = cache / f"models--{hub_id.replace('/', '--')}"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text(REVISION)
        shutil.copytree(folder, repository / "snapshots" / REVISION)

    return make
