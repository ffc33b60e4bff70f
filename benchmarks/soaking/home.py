"""A home for the server that is soaked: a base, adapters in service, and others to come and go."""

import shutil
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.adapters import make_adapters
from benchmarks.tuning.tiny import make_tiny_base
from finetune.bases.base import find_base
from finetune.defaults import DEFAULT_BASE

NUM_ADAPTERS = 7
RANK = 8
TINY_SPREAD = 0.8  # of random weights: much, so that some tokens are far likelier than others


@dataclass(frozen=True, slots=True)
class Home:
    folder: Path
    base: str  # as `--base` takes it
    base_id: str
    is_tiny: bool
    spares: tuple[Path, ...]

    @property
    def margin(self) -> float:
        """[nats] Compiled code computes the same in every batch; the tiny base's is not compiled,
        and its logits are large."""
        return 0.3 if self.is_tiny else 0.1

    @property
    def adapters(self) -> Path:
        return self.folder / "adapters"

    @property
    def models(self) -> Sequence[str]:
        """What stays in service: the base, adapters, versions, blends."""
        return (self.base_id, "a1", "a1@1", "a2", "a3", "a2:0.6+a3:0.4", "a1@1:0.5+a3:1.0")

    def place(self, spare: Path, name: str) -> None:
        shutil.copytree(spare, self.adapters / name)


@contextmanager
def soak_home(home: Path, *, is_tiny: bool) -> Generator[Home]:
    """One that is gone afterwards, but for the base and what has been compiled."""
    home.mkdir(parents=True, exist_ok=True)
    if is_tiny:
        folder = make_tiny_base(home / "tiny-base", TINY_SPREAD)
        base, base_id = str(folder), folder.name
    else:
        folder = find_base(DEFAULT_BASE, home).folder
        base = base_id = DEFAULT_BASE
    own = Path(tempfile.mkdtemp(prefix=".soak-", dir=home))
    try:
        for name in ("bases", "compiled"):
            (home / name).mkdir(exist_ok=True)
            (own / name).symlink_to(home / name)
        spares = _fill(own, folder)
        yield Home(own, base, base_id, is_tiny, spares)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _fill(own: Path, base: Path) -> tuple[Path, ...]:
    """a1 with two versions, a2 and a3 in service; the rest beside."""
    folders = list(make_adapters(own, base, count=NUM_ADAPTERS, rank=RANK).values())
    first, *others = folders[3:]
    shutil.move(first, folders[0].with_name("2"))
    first.parent.rmdir()
    spares = own / "spares"
    spares.mkdir()
    for spare in others:
        shutil.move(spare, spares / spare.parent.name)
        spare.parent.rmdir()
    return tuple(sorted(spares.iterdir()))
