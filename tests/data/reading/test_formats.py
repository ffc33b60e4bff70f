"""What a table can express, written in every format and read back."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.conversation import Conversation
from data.reading.reader import read_items
from tests.data.reading.excel import write_xlsx

Pairs = Sequence[tuple[str, str]]
HEADER = ("question", "answer")
# Line ends become \n, and a cell's outer space is no part of it.
CHARACTERS = st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"]) | st.just("\n")
TEXTS = st.text(CHARACTERS, min_size=1, max_size=30).map(str.strip).filter(bool)
ROWS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4)


def table(pairs: Pairs, delimiter: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([HEADER, *pairs])
    return text.getvalue().encode()


def objects(pairs: Pairs) -> list[dict[str, str]]:
    return [dict(zip(HEADER, pair, strict=True)) for pair in pairs]


def write_table(path: Path, pairs: Pairs) -> None:
    path.write_bytes(table(pairs, "\t" if path.suffix == ".tsv" else ","))


def write_json(path: Path, pairs: Pairs) -> None:
    path.write_text(json.dumps(objects(pairs), ensure_ascii=False, indent=1), encoding="utf-8")


def write_lines(path: Path, pairs: Pairs) -> None:
    path.write_text("\n".join(map(json.dumps, objects(pairs))), encoding="utf-8")


def write_packed(path: Path, pairs: Pairs) -> None:
    path.write_bytes(gzip.compress(table(pairs, ",")))


def write_parquet(path: Path, pairs: Pairs) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(objects(pairs)), path)


def write_workbook(path: Path, pairs: Pairs) -> None:
    write_xlsx(path, {"Sheet1": [HEADER, *pairs]})


WRITERS: dict[str, Callable[[Path, Pairs], None]] = {
    "a.csv": write_table,
    "a.tsv": write_table,
    "a.json": write_json,
    "a.jsonl": write_lines,
    "a.csv.gz": write_packed,
    "a.parquet": write_parquet,
    "a.xlsx": write_workbook,
}


@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("name", WRITERS)
@given(ROWS)
def test_pairs_written_and_read_back_are_equal(
    tmp_path_factory: pytest.TempPathFactory, name: str, pairs: Pairs
):
    path = tmp_path_factory.getbasetemp() / name
    WRITERS[name](path, pairs)
    read = [item for item in read_items(path) if isinstance(item, Conversation)]
    assert [tuple(each.content for each in item.messages) for item in read] == list(pairs)
