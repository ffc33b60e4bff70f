"""The compiled code of cpp/library.cpp."""

import ctypes
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from .structures import CLinear, CModel, CModule, CStep, Packed


class Library:
    """The compiled code. Raises OSError where the file is no library, not ours, or computes sums
    that are not exact."""

    def __init__(self, path: Path) -> None:
        import_module("torch")  # whose OpenMP the code uses, so that both share their threads
        self.path = path
        library = ctypes.CDLL(str(path))
        try:
            self._forward: Any = library.lora_chat_forward
            self._encode: Any = library.lora_chat_encode
            self._product: Any = library.lora_chat_product
            self._pack: Any = library.lora_chat_pack
            self._unpack: Any = library.lora_chat_unpack
            check, kernel = library.lora_chat_check, library.lora_chat_kernel
        except AttributeError as error:
            raise OSError(str(error)) from error
        check.restype = ctypes.c_int32
        self._forward.restype = self._encode.restype = self._product.restype = ctypes.c_int32
        kernel.restype = ctypes.c_char_p
        self._pack.restype = self._unpack.restype = None
        self.kernel: str = kernel().decode()
        if not check():
            raise OSError(f"the sums of its kernel {self.kernel} are not exact")

    def product(self, linear: CLinear, inputs: Any, outputs: Any, num_threads: int) -> None:
        """inputs [tokens, in] in float32 times a weight, to outputs [tokens, out]. Raises
        MemoryError."""
        own = (ctypes.c_void_p(tensor.data_ptr()) for tensor in (inputs, outputs))
        if not self._product(ctypes.byref(linear), next(own), len(inputs), num_threads, next(own)):
            raise MemoryError("a product's activations")

    def pack(self, rows: Any, to: Packed) -> None:
        """Round rows [count, in] in float32 to four bits, without Python's lock."""
        first, *own = (ctypes.c_void_p(tensor.data_ptr()) for tensor in (rows, *to))
        self._pack(first, *rows.shape, *own)

    def unpack(self, packed: Packed, to: Any) -> None:
        """What four bits stand for, [count, in] in float32, likewise."""
        tensors = (packed.values, packed.groups, packed.scale, to)
        *own, last = (ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors)
        self._unpack(*own, *to.shape, last)

    def forward(self, model: CModel, step: CStep) -> None:
        """Compute a step without Python's lock: other threads go on meanwhile. Raises
        MemoryError."""
        if not self._forward(ctypes.byref(model), ctypes.byref(step)):
            raise MemoryError("a step's activations")

    def encode(self, modules: Sequence[CModule], limit: int) -> None:
        """Encode an adapter's modules without Python's lock. Raises MemoryError."""
        if not self._encode((CModule * len(modules))(*modules), len(modules), limit):
            raise MemoryError("an adapter's numbers")
