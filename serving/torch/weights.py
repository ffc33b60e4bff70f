"""A base's tensors, read a few at a time: the whole checkpoint is never in memory twice."""

import ctypes
import mmap
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

MOST_LOADERS = 4  # each of them makes more of a file than a disk gives
T = TypeVar("T")


class Checkpoint:
    """A Hugging Face folder's safetensors files."""

    def __init__(self, folder: Path, device: str) -> None:
        from safetensors import safe_open

        from finetune.bases.fingerprint import weight_files

        self._device = device
        self._files: dict[str, Any] = {}
        for name in weight_files(folder):
            opened = safe_open(folder / name, framework="pt", device=device)
            self._files.update(dict.fromkeys(opened.keys(), opened))

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def read(self, name: str) -> Any:
        """A tensor; on a CPU as it lies in its file."""
        return self._files[name].get_tensor(name)

    def expect(self, prefix: str) -> None:
        """Have the system fetch all tensors of these names meanwhile, not page by page as they are
        touched. A hint: nothing depends on whether it does."""
        if self._device != "cpu" or sys.platform == "win32":
            return
        advise = ctypes.CDLL(None).madvise
        for name in self._files:
            if name.startswith(prefix):
                tensor = self.read(name)
                begin = tensor.data_ptr() & -mmap.PAGESIZE
                length = tensor.data_ptr() + tensor.nbytes - begin
                advise(ctypes.c_void_p(begin), ctypes.c_size_t(length), mmap.MADV_WILLNEED)


def load_side_by_side(make: Callable[[int], T], numbers: Iterable[int], device: str) -> list[T]:
    """What `make` makes of each number, on a CPU by several threads, none of which computes with
    others: those wait for one another after each of many short operations, beside busy programs
    for long. And while one waits for the disk, another computes."""
    import torch

    if device != "cpu":
        return list(map(make, numbers))
    count = torch.get_num_threads()
    is_inference = torch.is_inference_mode_enabled()  # which holds for a thread

    def made(number: int) -> T:
        torch.set_num_threads(1)
        with torch.inference_mode(is_inference):
            return make(number)

    try:
        with ThreadPoolExecutor(min(count, MOST_LOADERS)) as pool:
            return list(pool.map(made, numbers))
    finally:
        torch.set_num_threads(count)  # new threads have as many as were set last, anywhere
