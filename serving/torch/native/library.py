"""The compiled code of cpp/library.cpp."""

import ctypes
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from .structures import CModel, CModule, CStep


class Library:
    """The compiled code. Raises OSError where the file is no library, or not ours."""

    def __init__(self, path: Path) -> None:
        import_module("torch")  # whose OpenMP the code uses, so that both share their threads
        self.path = path
        library = ctypes.CDLL(str(path))
        try:
            self._forward: Any = library.lora_chat_forward
            self._encode: Any = library.lora_chat_encode
        except AttributeError as error:
            raise OSError(str(error)) from error
        self._forward.restype = self._encode.restype = ctypes.c_int32

    def forward(self, model: CModel, step: CStep) -> None:
        """Without Python's lock: other threads go on meanwhile. Raises MemoryError."""
        if not self._forward(ctypes.byref(model), ctypes.byref(step)):
            raise MemoryError("a step's activations")

    def encode(self, modules: Sequence[CModule], limit: int) -> None:
        """Without Python's lock. Raises MemoryError."""
        if not self._encode((CModule * len(modules))(*modules), len(modules), limit):
            raise MemoryError("an adapter's numbers")
