"""The header of `adapter_model.safetensors`: what the file holds, without reading all of it."""

import json
import os
from pathlib import Path
from typing import Any

from finetune.errors import AdapterInvalid

from .lora import WEIGHTS_FILE

LENGTH = 8  # [bytes] of the number that the file begins with
LARGEST = 16 << 20  # [bytes] of a header: a hundred thousand tensors


def tensor_names(folder: Path) -> list[str]:
    """The tensors in an adapter's weights.

    Raises AdapterInvalid where the file is no safetensors file, or only the beginning of one.
    """
    path = folder / WEIGHTS_FILE
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(LENGTH), "little")
        if length > min(LARGEST, size - LENGTH):
            raise AdapterInvalid(f"{path} is no safetensors file, or not all of it is here.")
        text = file.read(length)
    try:
        header = json.loads(text)
        end = max((_end(name, header[name]) for name in header), default=0)
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise AdapterInvalid(f"{path} is no safetensors file: its header is wrong.") from error
    if LENGTH + length + end != size:
        raise AdapterInvalid(
            f"{path} has {size} bytes, and {LENGTH + length + end} by its own header: it was "
            "not copied whole."
        )
    return [name for name in header if name != "__metadata__"]


def _end(name: str, entry: Any) -> int:
    """Where a tensor's bytes end, counted from the header's end."""
    return 0 if name == "__metadata__" else int(entry["data_offsets"][1])
