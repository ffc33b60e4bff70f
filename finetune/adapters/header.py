"""The header of a safetensors file: what the file holds, without reading all of it."""

import json
import os
from pathlib import Path
from typing import Any

from finetune.errors import AdapterInvalid

LENGTH = 8  # [bytes] of the number that the file begins with
LARGEST_HEADER = 16 << 20  # [bytes] of a header: a hundred thousand tensors
POINTER = b"version https://git-lfs"  # of Git LFS: so begins what stands for a file
Shape = tuple[int, ...]


def read_shapes(path: Path) -> dict[str, Shape]:
    """The shapes of the tensors in a file, by their names.

    Raises AdapterInvalid where the file is no safetensors file, or only the beginning of one.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(LENGTH)
        length = int.from_bytes(start, "little")
        if length > min(LARGEST_HEADER, size - LENGTH):
            raise AdapterInvalid.in_file(path, _no_header(start + file.read(len(POINTER) - LENGTH)))
        text = file.read(length)
    try:
        header = json.loads(text)
        end = max((_end(name, header[name]) for name in header), default=0)
        shapes = {name: _shape(header[name]) for name in header if name != "__metadata__"}
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        problem = "is no safetensors file: its header is wrong."
        raise AdapterInvalid.in_file(path, problem) from error
    if LENGTH + length + end != size:
        raise AdapterInvalid.in_file(
            path,
            f"has {size} bytes, and {LENGTH + length + end} by its own header: it was "
            "not copied whole.",
        )
    return shapes


def _end(name: str, entry: Any) -> int:
    """Where a tensor's bytes end, counted from the header's end."""
    return 0 if name == "__metadata__" else int(entry["data_offsets"][1])


def _shape(entry: Any) -> Shape:
    return tuple(int(size) for size in entry["shape"])


def _no_header(start: bytes) -> str:
    if start == POINTER:
        return "is a pointer of Git LFS, not the file: get it with `git lfs pull`."
    return "is no safetensors file, or not all of it is here."
