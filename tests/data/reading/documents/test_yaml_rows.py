"""YAML as people keep questions in it."""

import io

import pytest

from data.conversation import Item
from data.errors import Fault
from data.reading.documents import read_yaml
from tests.data.reading.items import conversations_of, settled


def read(text: str, **columns: str) -> list[Item]:
    return settled(read_yaml(io.StringIO(text), "a.yml", columns))


def faults(text: str) -> list[Fault]:
    return [each for each in read(text) if isinstance(each, Fault)]


@pytest.mark.parametrize(
    "text",
    [
        "- question: a\n  answer: b\n",
        "faq:\n- question: a\n  answer: b\n",
        "title: x\nfaq:\n  - {question: a, answer: b}\n",
        "- [a, b]\n",
        "categories:\n- x\nconversations:\n- - a\n  - b\n",
        "- messages:\n  - role: user\n    content: a\n  - role: assistant\n    content: b\n",
        "%YAML 1.1\n---\n- &x {question: a, answer: b}\n",
    ],
)
def test_shapes_of_yaml_give_the_same(text: str):
    [conversation] = conversations_of(read(text))
    assert [each.content for each in conversation.messages] == ["a", "b"]


def test_words_stay_as_they_are_written():
    text = (
        "- {question: 'Yes?', answer: Yes}\n- {question: 1.0, answer: 0x10}\n- [no, 2024-01-01]\n"
    )
    read_ = conversations_of(read(text))
    assert [[m.content for m in each.messages] for each in read_] == [
        ["Yes?", "Yes"],
        ["1.0", "0x10"],
        ["no", "2024-01-01"],
    ]
    assert [each.line for each in read_] == [1, 2, 3]


def test_fields_may_be_named():
    [conversation] = conversations_of(read("- {x: a, y: b}\n", question="x", answer="y"))
    assert conversation.messages[0].content == "a"


def test_an_empty_answer_is_a_fault_in_its_line():
    for empty in ("", "null", "~", "''"):
        [fault] = faults(f"- question: a\n  answer: b\n- question: c\n  answer: {empty}\n")[-1:]
        assert (fault.line, fault.severity) == (3, "error")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: b\n", 1),
        ("just text\n", 1),
        ("- a: [\n", 2),
        ("- {question: a, answer: b, answer: c}\n", 1),
        ("- &x [*x]\n", 1),
        ("x: [1]\n", 1),
        ("- a\n--- \n- b\n", 2),
        ("a: 1\n\tb: 2\n", 2),
    ],
)
def test_other_files_are_faults(text: str, line: int):
    [fault] = faults(text)
    assert fault.severity == "error"
    assert fault.line == line


def test_aliases_that_multiply_take_no_time():
    levels = "".join(f"  - &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40))
    assert faults(f"- - &a0 [x]\n{levels}")
