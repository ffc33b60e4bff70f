"""Columns without names, and rows that are longer or shorter than their header."""

import io
import random

from data.conversation import Item
from data.reading.tables import read_csv
from tests.data.reading.items import conversations_of, faults_of, settled


def read(text: str) -> list[Item]:
    return settled(read_csv(io.StringIO(text), "a.csv", {}))


def indexed(numbers: list[int], name: str = "") -> str:
    rows = "".join(f"{number},Why {number}?,So {number}.\n" for number in numbers)
    return f"{name},question,answer\n{rows}"


def test_an_index_that_counts_the_rows_is_no_matter():
    for numbers in (range(300), range(1, 300), (3, 17, 200)):
        for name in ("", "Unnamed: 0"):
            assert len(conversations_of(read(indexed([*numbers], name)))) == len(numbers)


def test_other_cells_without_a_name_are_said_once():
    numbers = [*range(1000)]
    random.Random(0).shuffle(numbers)
    [fault] = faults_of(read(indexed(numbers)))
    assert (fault.line, fault.field, fault.severity) == (2, "header", "warning")
    assert fault.seen == f"1000 cells without a name above them, such as '{numbers[0]}'"


def test_empty_cells_beyond_the_header_are_no_matter():
    text = "question,answer\na,b,,\nc,d,e\nf\n"
    assert [(each.line, each.seen) for each in faults_of(read(text))] == [
        (3, "3 cells"),
        (4, "1 cells"),
    ]
    assert len(read(text)) == 3


def test_a_proposal_looks_below_the_header():
    [fault] = faults_of(
        read("id,x,y,state\n" + "".join(f"{n},Why {n}?,So it {n} is.,open\n" for n in range(9)))
    )
    assert "--map question=x,answer=y" in fault.expected
    [fault] = faults_of(
        read("id,customer,y,state\n" + "".join(f"{n},Anna,So it {n} is.,open\n" for n in range(9)))
    )
    assert "--map question=NAME,answer=NAME" in fault.expected
