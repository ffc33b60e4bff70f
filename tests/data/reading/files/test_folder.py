"""Folders as people have them: what is read, passed over, and refused."""

import json
from pathlib import Path

import pytest

from data.conversation import Conversation, Item
from data.errors import Fault, UnreadableFile
from data.reading.reader import ReadOptions, read_items

GOOD = "Q: How do I oil the chain?\nA: One drop per link.\n"


def write(folder: Path, *names: str, content: str = GOOD) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")


def faults(items: list[Item]) -> list[Fault]:
    return [each for each in items if isinstance(each, Fault)]


ASIDES = [
    *("README.md", "README_zh.md", "readme.txt", "LICENSE", "LICENCE.md", "CITATION.cff"),
    *("NOTICE", "dataset_infos.json", "requirements.txt", "load.py", "look.ipynb", "sub/1.jpg"),
    *("~$book.xlsx", ".~lock.a.csv#", "a.csv.tmp", "Thumbs.db", "CHANGELOG.md", "Makefile"),
]


@pytest.mark.parametrize("name", ASIDES)
def test_what_lies_beside_data_and_is_none_is_passed_over(tmp_path: Path, name: str):
    write(tmp_path, "a.txt", name)
    items = list(read_items(tmp_path))
    assert [type(each) for each in items if not isinstance(each, Fault)] == [Conversation]
    if not name.startswith("."):
        [fault] = faults(items)
        assert (fault.severity, fault.kind) == ("warning", "passed over")
        assert name in fault.seen


def test_all_that_is_passed_over_is_one_warning(tmp_path: Path):
    write(tmp_path, "a.txt", *ASIDES)
    [fault] = faults(list(read_items(tmp_path)))
    assert fault.seen.startswith("17 passed over that hold no questions: CHANGELOG.md, ")
    assert fault.seen.endswith(" and 9 more")


@pytest.mark.parametrize("name", ["a.xls", "a.zip", "a.xml", "a", "readme.csv.bz2", "a.db"])
def test_what_may_be_data_is_named_and_not_passed_over(tmp_path: Path, name: str):
    write(tmp_path, "a.txt", name)
    with pytest.raises(
        UnreadableFile, match=f"cannot read .*{name}.*move them away or convert them"
    ):
        list(read_items(tmp_path))


def test_a_file_that_is_named_itself_is_read(tmp_path: Path):
    write(tmp_path, "README.md", "license.txt")
    assert isinstance(next(iter(read_items(tmp_path / "README.md"))), Conversation)
    with pytest.raises(UnreadableFile, match=r"holds no files but README\.md, license\.txt"):
        list(read_items(tmp_path))


ROWS = [{"ask": "Why?", "more": "", "reply": "So.", "about": "Be brief.", "ok": "x"}]
DESCRIBED = {
    "here": {
        "file_name": "a.json",
        "columns": {"prompt": "ask", "query": "more", "response": "reply", "system": "about"},
    },
    "hub": {"hf_hub_url": "some/set", "columns": {"prompt": "other"}},
    "plain": {"file_name": "b.json"},
    "chats": {"file_name": "c.json", "formatting": "sharegpt", "columns": {"messages": "turns"}},
    "chat": {
        "file_name": "sub/d.json",
        "formatting": "sharegpt",
        "columns": {"messages": "turns"},
        "tags": {"role_tag": "role", "content_tag": "content"},
    },
}


def test_a_list_of_llama_factory_says_what_fields_are_called(tmp_path: Path):
    write(tmp_path, "dataset_info.json", content=json.dumps(DESCRIBED))
    write(tmp_path, "a.json", content=json.dumps(ROWS))
    write(tmp_path, "b.json", content=json.dumps([{"instruction": "a", "output": "b"}]))
    turns = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
    write(tmp_path, "c.json", content=json.dumps([{"turns": turns}]))
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    write(tmp_path, "sub/d.json", content=json.dumps([{"turns": messages}]))
    items = list(read_items(tmp_path))
    read = [each for each in items if isinstance(each, Conversation)]
    assert [[m.content for m in each.messages] for each in read] == [
        ["Be brief.", "Why?", "So."],
        *[["a", "b"]] * 3,
    ]
    passed, unnamed = faults(items)
    assert "dataset_info.json" in passed.seen
    assert unnamed.seen == "not named, and so left out: the keys 'ok'"
    [alone] = read_items(tmp_path / "c.json")
    assert isinstance(alone, Conversation)


def test_answers_that_a_list_of_llama_factory_calls_bad_are_left_out(tmp_path: Path):
    columns = {"prompt": "ask", "response": "reply", "kto_tag": "good"}
    described = {"judged": {"file_name": "a.json", "columns": columns}}
    rows = [{"ask": "a", "reply": "b", "good": True}, {"ask": "c", "reply": "d", "good": False}]
    write(tmp_path, "dataset_info.json", content=json.dumps(described))
    write(tmp_path, "a.json", content=json.dumps(rows))
    [conversation] = read_items(tmp_path / "a.json")
    assert isinstance(conversation, Conversation)
    assert [each.content for each in conversation.messages] == ["a", "b"]


def test_what_the_user_says_of_fields_comes_first(tmp_path: Path):
    write(tmp_path, "dataset_info.json", content=json.dumps(DESCRIBED))
    write(tmp_path, "a.json", content=json.dumps(ROWS))
    options = ReadOptions(columns={"question": "about", "answer": "reply"})
    first = next(each for each in read_items(tmp_path, options) if isinstance(each, Conversation))
    assert [each.content for each in first.messages] == ["Be brief.", "So."]


@pytest.mark.parametrize(
    "content", ["", "[1]", "{", '{"a": 1}', '{"a": {"file_name": 3}}', "[" * 99999]
)
def test_another_program_s_file_of_that_name_is_no_matter(tmp_path: Path, content: str):
    write(tmp_path, "a.txt")
    write(tmp_path, "dataset_info.json", content=content)
    assert len(faults(list(read_items(tmp_path)))) == 1
