"""Data sets of the Hugging Face hub, through its own library."""

from collections.abc import Iterator, Mapping

from data.errors import UnreadableFile
from data.reading.faulty import Read
from data.wording import _

from .rows import read_rows

PREFIX = "hf:"
SPLIT = "train"


def read_hub(name: str, columns: Mapping[str, str]) -> Iterator[Read]:
    """`hf:owner/name`, or `hf:owner/name:split`; rows are counted from 1.

    Raises UnreadableFile where the library finds no such data set.
    """
    from datasets import load_dataset

    path, _colon, split = name.removeprefix(PREFIX).partition(":")
    try:
        rows = load_dataset(path, split=split or SPLIT)
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        told = _(
            "the datasets library cannot load it ({error}: {reason}); name it as on the "
            "hub, such as hf:owner/name or hf:owner/name:test"
        )
        raise UnreadableFile(
            name, told.format(error=type(error).__name__, reason=reason)
        ) from error
    yield from read_rows(enumerate(rows, start=1), name, columns)
