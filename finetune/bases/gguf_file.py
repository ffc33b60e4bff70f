"""A GGUF file's header: what the file holds and where, without reading all of it.

llama.cpp trusts such files more than the `gguf` package does, and that one takes seconds for a
vocabulary. So this reads the header alone, and believes nothing that the file's size denies.
Format: docs/gguf.md of ggml, versions 2 and 3, little-endian.
"""

import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from finetune.errors import GgufInvalid

MAGIC = b"GGUF"
VERSIONS = (2, 3)
SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
STRING, ARRAY = 8, 9
KEPT = 64  # elements of an array; of a longer one the length alone is kept
MAX_DIMENSIONS = 4
MAX_ENTRIES = 1 << 20  # of metadata, of tensors
MAX_TEXT = 16 << 20  # [bytes] of a string
ALIGNMENT_KEY = "general.alignment"


@dataclass(frozen=True, slots=True)
class Long:
    """What stands in the place of a long array."""

    length: int


@dataclass(frozen=True, slots=True)
class GgufTensor:
    name: str
    shape: tuple[int, ...]  # rows before columns, as numpy and torch have them
    kind: Any  # gguf.GGMLQuantizationType
    offset: int  # [bytes] from the file's beginning
    num_bytes: int


@dataclass(frozen=True, slots=True)
class GgufFile:
    path: Path
    metadata: Mapping[str, Any]  # strings, numbers, tuples of them, `Long`
    tensors: Mapping[str, GgufTensor]

    def text(self, key: str) -> str:
        """Raises GgufInvalid where the file has no such text."""
        value = self.metadata.get(key)
        if not isinstance(value, str):
            raise GgufInvalid(f"{self.path} has no {key}.")
        return value

    def number(self, key: str) -> float:
        """A number, finite. Raises GgufInvalid."""
        value = self.metadata.get(key)
        if isinstance(value, tuple) and len(set(value)) == 1:  # the same for every layer
            value = value[0]
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise GgufInvalid(f"{self.path} has no {key}.")
        return value

    def count(self, key: str) -> int:
        """A whole number above 0. Raises GgufInvalid."""
        value = self.number(key)
        if value != int(value) or value < 1:
            raise GgufInvalid(f"{self.path}: {key} is {value}, where a number above 0 belongs.")
        return int(value)

    def read(self, name: str) -> Any:
        """A tensor in float32, as numpy. Raises GgufInvalid where it is not there."""
        import numpy as np
        from gguf.quants import dequantize

        tensor = self.tensors.get(name)
        if tensor is None:
            raise GgufInvalid(f"{self.path} has no tensor {name}.")
        with self.path.open("rb") as file:
            file.seek(tensor.offset)
            raw = file.read(tensor.num_bytes)
        if len(raw) != tensor.num_bytes:
            raise GgufInvalid(f"{self.path} was cut short: copy it again.")
        rows = np.frombuffer(raw, np.uint8).reshape(*tensor.shape[:-1], -1)
        try:
            return dequantize(rows, tensor.kind).reshape(tensor.shape).astype(np.float32)
        except NotImplementedError as error:
            raise GgufInvalid(
                f"{self.path}: the tensor {name} is stored as {tensor.kind.name}, which cannot be "
                "read here. Give the model in another quantization, such as Q8_0."
            ) from error


def read_gguf(path: Path) -> GgufFile:
    """Read the header. Raises GgufInvalid for what is no GGUF file, or not all of one."""
    try:
        with path.open("rb") as file:
            return _Header(path, file).read()
    except (struct.error, UnicodeDecodeError, ValueError, OSError) as error:
        raise GgufInvalid(f"{path} is no GGUF file: {error}. Download it again.") from error


class _Header:
    """Reads on from where it stands; what a length claims is compared with what is left."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._at = 0

    def read(self) -> GgufFile:
        if self._take(4) != MAGIC:
            raise GgufInvalid(f"{self._path} is no GGUF file.")
        version = self._scalar("I")
        if version not in VERSIONS:
            raise GgufInvalid(
                f"{self._path} is of GGUF version {version}; this reads the versions 2 and 3."
            )
        num_tensors, num_entries = self._count(), self._count()
        metadata: dict[str, Any] = {}
        for _ in range(num_entries):
            key = self._string()
            metadata[key] = self._value(self._scalar("I"))
        infos = [self._tensor_info() for _ in range(num_tensors)]
        return GgufFile(self._path, metadata, self._tensors(infos, metadata))

    def _tensors(
        self, infos: list[tuple[str, tuple[int, ...], int, int]], metadata: dict[str, Any]
    ) -> dict[str, GgufTensor]:
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

        alignment = metadata.get(ALIGNMENT_KEY, 32)
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
            raise GgufInvalid(f"{self._path}: {ALIGNMENT_KEY} is {alignment!r}.")
        start = -(-self._at // alignment) * alignment
        tensors: dict[str, GgufTensor] = {}
        for name, shape, number, offset in infos:
            kind = GGMLQuantizationType(number)  # raises ValueError
            block, block_bytes = GGML_QUANT_SIZES[kind]
            if not shape or min(shape) < 1 or shape[-1] % block or name in tensors:
                raise GgufInvalid(f"{self._path}: the tensor {name!r} is misshaped or there twice.")
            num_bytes = math.prod(shape) // block * block_bytes
            if offset % alignment or start + offset + num_bytes > self._size:
                raise GgufInvalid(
                    f"{self._path} was not copied whole: the tensor {name} lies beyond its end."
                )
            tensors[name] = GgufTensor(name, shape, kind, start + offset, num_bytes)
        return tensors

    def _tensor_info(self) -> tuple[str, tuple[int, ...], int, int]:
        name, num_dimensions = self._string(), self._scalar("I")
        if num_dimensions > MAX_DIMENSIONS:
            raise GgufInvalid(f"{self._path}: a tensor has {num_dimensions} dimensions.")
        shape = tuple(self._scalar("Q") for _ in range(num_dimensions))
        return name, shape[::-1], self._scalar("I"), self._scalar("Q")

    def _value(self, kind: int) -> Any:
        if kind == STRING:
            return self._string()
        if kind == ARRAY:
            return self._array()
        if kind not in SCALARS:
            raise GgufInvalid(f"{self._path}: a value is of the unknown kind {kind}.")
        return self._scalar(SCALARS[kind])

    def _array(self) -> Any:
        kind, length = self._scalar("I"), self._scalar("Q")
        if kind in SCALARS and length > KEPT:
            self._skip(struct.calcsize("<" + SCALARS[kind]) * length)
            return Long(length)
        if kind in SCALARS:
            raw = self._take(struct.calcsize("<" + SCALARS[kind]) * length)
            return struct.unpack(f"<{length}{SCALARS[kind]}", raw)
        if kind != STRING:
            raise GgufInvalid(f"{self._path}: an array holds values of the kind {kind}.")
        if length > KEPT:
            for _ in range(length):
                self._skip(self._scalar("Q"))
            return Long(length)
        return tuple(self._string() for _ in range(length))

    def _count(self) -> int:
        count = self._scalar("Q")
        if count > MAX_ENTRIES:
            raise GgufInvalid(f"{self._path} is no GGUF file: it claims {count} entries.")
        return count

    def _string(self) -> str:
        length = self._scalar("Q")
        if length > MAX_TEXT:
            raise GgufInvalid(f"{self._path} is no GGUF file: a text of {length} bytes.")
        return self._take(length).decode("utf-8", "replace")

    def _scalar(self, code: str) -> Any:
        return struct.unpack(f"<{code}", self._take(struct.calcsize(f"<{code}")))[0]

    def _take(self, count: int) -> bytes:
        self._advance(count)
        return self._file.read(count)

    def _skip(self, count: int) -> None:
        self._advance(count)
        self._file.seek(count, os.SEEK_CUR)

    def _advance(self, count: int) -> None:
        if count > self._size - self._at:
            raise GgufInvalid(f"{self._path} was not copied whole: its header ends early.")
        self._at += count
