"""A thousand adapters, cheaply: one adapter with other signs in B, so that no two are alike.

They are stored in float16, ten megabytes each for the default base, and gone afterwards.
"""

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer

from benchmarks.process import ProgramFailed
from finetune.adapters.files import CONFIG_FILE, WEIGHTS_FILE

SIGN = 0x8000  # of a float16
SPARE = 2 << 30  # [bytes] of disk to leave free

Tensors = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, slots=True)
class Pool:
    """Adapter folders by number, from 1 on. A home that has one's files has it registered."""

    folder: Path
    template: Path  # a PEFT folder
    count: int

    def fill(self) -> None:
        """Write those that are missing. Raises ProgramFailed where the disk is too small."""
        missing = [n for n in range(1, self.count + 1) if not self.adapter(n).is_dir()]
        if not missing:
            return
        tensors = _read(self.template)
        self.check_disk(len(missing) * sum(tensor.nbytes for tensor in tensors.values()))
        typer.echo(f"Writing {len(missing)} adapters", err=True)
        for number in missing:
            _write(self.adapter(number), self.template, tensors, number)
        os.sync()  # now, not while something is measured

    def adapter(self, number: int) -> Path:
        return self.folder / f"n{number}"

    def register(self, number: int, home: Path) -> bool:
        """False where it was registered before."""
        adapters, name = home / "adapters", f"n{number}"
        if (adapters / name).exists():
            return False
        shutil.copytree(self.adapter(number), adapters / f".{name}", copy_function=os.link)
        (adapters / f".{name}").rename(adapters / name)
        return True

    @property
    def bytes_per_adapter(self) -> int:
        return sum(path.stat().st_size for path in self.adapter(1).iterdir())

    def forget(self, number: int) -> None:
        """Have the system read an adapter's files from disk when they are next asked for."""
        for path in self.adapter(number).iterdir():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def check_disk(self, num_bytes: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if num_bytes + SPARE > free:
            raise ProgramFailed(
                f"{self.count} adapters and some room take {(num_bytes + SPARE) / 1e9:.1f} GB of "
                f"disk, and {free / 1e9:.1f} GB are free. Ask for fewer, or name a larger disk."
            )


@contextmanager
def adapter_pool(home: Path, template: Path, count: int) -> Generator[Pool]:
    """Variants of a PEFT folder, written when they are first needed and gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=".pool-", dir=home))
    try:
        yield Pool(folder, template, count)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _read(template: Path) -> Tensors:
    from safetensors.numpy import load_file

    wide = load_file(template / WEIGHTS_FILE)
    return {name: tensor.astype(np.float16) for name, tensor in wide.items()}


def _write(folder: Path, template: Path, tensors: Tensors, number: int) -> None:
    from safetensors.numpy import save_file

    generator = np.random.default_rng(number)
    variant = {
        name: _with_other_signs(tensor, generator) if ".lora_B." in name else tensor
        for name, tensor in tensors.items()
    }
    unfinished = folder.with_name(f".{folder.name}")
    unfinished.mkdir(exist_ok=True)
    save_file(variant, unfinished / WEIGHTS_FILE, metadata={"format": "pt"})
    shutil.copyfile(template / CONFIG_FILE, unfinished / CONFIG_FILE)
    unfinished.rename(folder)


def _with_other_signs(
    b: np.ndarray[Any, Any], generator: np.random.Generator
) -> np.ndarray[Any, Any]:
    """[out, rank] with some of the ranks turned round."""
    turned = generator.integers(0, 2, size=b.shape[1], dtype=np.uint16) * np.uint16(SIGN)
    return (b.view(np.uint16) ^ turned).view(np.float16)
