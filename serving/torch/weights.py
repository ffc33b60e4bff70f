"""A base's tensors, read one at a time: the whole checkpoint is never in memory twice."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Checkpoint:
    """A Hugging Face folder's safetensors files."""

    def __init__(self, folder: Path, device: str) -> None:
        from safetensors import safe_open

        from finetune.bases.fingerprint import weight_files

        self._files: dict[str, Any] = {}
        for name in weight_files(folder):
            opened = safe_open(folder / name, framework="pt", device=device)
            self._files.update(dict.fromkeys(opened.keys(), opened))

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def read(self, name: str) -> Any:
        return self._files[name].get_tensor(name)

    def join(self, names: Sequence[str]) -> Any:
        """Several matrices or vectors as one, side by side along their first dimension."""
        import torch

        tensors = [self.read(name) for name in names]
        return tensors[0] if len(tensors) == 1 else torch.cat(tensors)
