"""Data sets of the Hugging Face hub, through its own library."""

from collections.abc import Iterator, Mapping

from data.errors import UnreadableFile
from data.reading.faulty import Read

from .rows import read_rows

PREFIX = "hf:"
SPLIT = "train"


def read_hub(name: str, columns: Mapping[str, str]) -> Iterator[Read]:
    """`hf:owner/name`, or `hf:owner/name:split`; rows are counted from 1.

    Raises UnreadableFile where the library finds no such data set.
    """
    from datasets import load_dataset

    path, _, split = name.removeprefix(PREFIX).partition(":")
    try:
        rows = load_dataset(path, split=split or SPLIT)
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise UnreadableFile(
            f"{name}: the datasets library cannot load it ({type(error).__name__}: {reason}); "
            "name it as on the hub, such as hf:owner/name or hf:owner/name:test"
        ) from error
    yield from read_rows(enumerate(rows, start=1), name, columns)
