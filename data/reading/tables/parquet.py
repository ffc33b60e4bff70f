"""Tables in Parquet's columns."""

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, BinaryIO

from data.errors import Fault
from data.reading.faulty import Read
from data.reading.proposals import SAMPLE, accepted
from data.reading.rows import Columns, read_rows
from data.reading.shapes import find_shape, show_keys
from data.wording import _


def read_parquet(file: BinaryIO, source: str, columns: Columns) -> Iterator[Read]:
    """Rows are counted from 1: the file has no lines."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        batches = ParquetFile(file).iter_batches(batch_size=1024)
        rows = (row for batch in batches for row in batch.to_pylist())
        sample = list(islice(rows, SAMPLE))
        if sample and not columns and not any(map(find_shape, sample)):
            yield _refuse(sample, source)
            return
        yield from read_rows(enumerate(chain(sample, rows), start=1), source, columns)
    except (ArrowException, OSError, ValueError) as error:
        seen = str(error).split("\n")[0]
        yield Fault(source, 1, _("file"), seen, _("a Parquet file"))


def _refuse(sample: list[dict[str, Any]], source: str) -> Fault:
    return Fault(source, 1, _("header"), show_keys(sample[0]), accepted(sample))
