"""Files and folders."""

import gzip
import io
import json
import os
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.conversation import Conversation
from data.errors import DataError, Fault, InvalidData, UnreadableFile
from data.reading.reader import SUFFIXES, ReadOptions, read_conversations, read_items
from tests.data.reading.excel import write_xlsx

SAMPLES = Path(__file__).parents[3] / "data" / "samples"
GOOD = "问：头晕怎么办？\n答：先量血压。\n"


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", GOOD),
        ("a.MD", GOOD),
        ("a.jsonl", '{"question": "头晕怎么办？", "answer": "先量血压。"}'),
        ("a.json", '[{"question": "头晕怎么办？", "answer": "先量血压。"}]'),
        ("a.csv", "question,answer\n头晕怎么办？,先量血压。"),
        ("a.tsv", "question\tanswer\n头晕怎么办？\t先量血压。"),
    ],
)
def test_every_suffix_gives_the_same_conversation(tmp_path: Path, name: str, content: str):
    [conversation] = read_conversations(write(tmp_path / name, content))
    assert [each.content for each in conversation.messages] == ["头晕怎么办？", "先量血压。"]
    assert conversation.source == str(tmp_path / name)


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.txt")), ids=lambda path: path.name)
def test_shipped_samples_are_read(sample: Path):
    assert len(read_conversations(sample)) >= 10


def test_folder_is_read_sorted_with_subfolders_and_without_hidden_files(tmp_path: Path):
    for name in ("b.txt", "a/z.md", "c.txt"):
        write(tmp_path / name, GOOD)
    write(tmp_path / ".hidden.pdf", "x")
    write(tmp_path / ".git" / "config", "x")
    sources = [each.source for each in read_conversations(tmp_path)]
    assert sources == [str(tmp_path / name) for name in ("a/z.md", "b.txt", "c.txt")]


def test_unsupported_files_in_a_folder_are_all_listed(tmp_path: Path):
    for name in ("a.txt", "b.xls", "c/d.xyz"):
        write(tmp_path / name, GOOD)
    with pytest.raises(UnreadableFile, match=r"b\.xls \(save it as \.xlsx\), .*d\.xyz; move them"):
        read_conversations(tmp_path)


def test_faults_of_all_files_are_raised_together(tmp_path: Path):
    write(tmp_path / "a.txt", "Q: a\n")
    write(tmp_path / "b.txt", GOOD)
    write(tmp_path / "c.jsonl", '{"question": "a"}\n{"question": ""}')
    (tmp_path / "d.txt").write_bytes(b"\x00\x01")
    write(tmp_path / "e.txt", " \n")
    with pytest.raises(InvalidData) as caught:
        read_conversations(tmp_path)
    seen = [(Path(fault.source).name, fault.line) for fault in caught.value.faults]
    assert seen == [("a.txt", 1), ("c.jsonl", 1), ("c.jsonl", 2), ("d.txt", 1), ("e.txt", 1)]


def test_missing_file_suggests_the_nearest_name(tmp_path: Path):
    write(tmp_path / "questions.txt", GOOD)
    with pytest.raises(UnreadableFile, match=r"did you mean .*questions\.txt\?"):
        read_conversations(tmp_path / "question.txt")
    with pytest.raises(UnreadableFile, match="look into the folder"):
        read_conversations(tmp_path / "zzz")
    with pytest.raises(UnreadableFile, match=r"folder .* does not exist either"):
        read_conversations(tmp_path / "no" / "a.txt")


@pytest.mark.parametrize("name", ["bad\0name.txt", "x" * 5000 + ".txt"])
def test_impossible_path_is_unreadable(tmp_path: Path, name: str):
    with pytest.raises(UnreadableFile):
        read_conversations(tmp_path / name)


def test_nothing_to_read_says_what_to_do(tmp_path: Path):
    with pytest.raises(UnreadableFile, match=r"holds no files; put files .*\.txt"):
        read_conversations(tmp_path)
    with pytest.raises(UnreadableFile, match="is empty; write questions"):
        read_conversations(write(tmp_path / "a.txt", "\ufeff \r\n"))
    with pytest.raises(UnreadableFile, match=r"cannot read '\.xyz'; give it one of \.txt"):
        read_conversations(write(tmp_path / "a.xyz", "x"))
    with pytest.raises(UnreadableFile, match="a name without a suffix"):
        read_conversations(write(tmp_path / "QUESTIONS", "x"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_without_read_permission_is_unreadable(tmp_path: Path):
    path = write(tmp_path / "a.txt", GOOD)
    path.chmod(0)
    with pytest.raises(UnreadableFile, match="Permission denied"):
        read_conversations(path)


SEEDS = [
    GOOD.encode(),
    GOOD.encode("gb18030"),
    GOOD.encode("utf-16"),
    json.dumps([{"messages": [{"role": "user", "content": "a"}]}]).encode(),
    b'question,answer\n"a",b\n',
]


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    raw = draw(st.sampled_from(SEEDS))
    begin, end = sorted(draw(st.tuples(*[st.integers(0, len(raw))] * 2)))
    return raw[:begin] + draw(st.binary(max_size=8)) + raw[end:]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(SUFFIXES)), st.binary() | damaged_files(), st.sampled_from("rpb"))
def test_no_bytes_raise_anything_but_data_errors(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, raw: bytes, packing: str
):
    """As they are, packed, or only said to be packed."""
    path = tmp_path_factory.getbasetemp() / f"fuzz{suffix}{'' if packing == 'r' else '.gz'}"
    path.write_bytes(gzip.compress(raw) if packing == "p" else raw)
    try:
        assert read_conversations(path)
    except DataError as error:
        str(error).encode()  # fit to be printed


def test_packed_files_are_read(tmp_path: Path):
    for name, content in (
        ("a.txt.gz", GOOD),
        ("b.JSONL.GZ", '{"question": "头晕怎么办？", "answer": "b"}'),
    ):
        (tmp_path / name).write_bytes(gzip.compress(content.encode("gb18030")))
    read = read_conversations(tmp_path)
    assert [each.messages[0].content for each in read] == ["头晕怎么办？"] * 2


@pytest.mark.parametrize(
    "raw",
    [b"", b"no gzip", gzip.compress(GOOD.encode())[:-9]],
    ids=["empty", "not gzip", "cut short"],
)
def test_a_broken_packed_file_is_unreadable(tmp_path: Path, raw: bytes):
    (tmp_path / "a.txt.gz").write_bytes(raw)
    with pytest.raises(UnreadableFile, match=r"a\.txt\.gz"):
        read_conversations(tmp_path / "a.txt.gz")


def test_a_file_that_cannot_be_read_is_named_once_among_others(tmp_path: Path):
    write(tmp_path / "good.txt", GOOD)
    (tmp_path / "none.txt").touch()
    [fault] = [item for item in read_items(tmp_path) if isinstance(item, Fault)]
    assert fault.source == str(tmp_path / "none.txt")
    assert fault.seen == "is empty; write questions and answers into it"


def test_parquet_is_read(tmp_path: Path):
    rows = [{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows * 2), tmp_path / "a.parquet")
    read = read_conversations(tmp_path / "a.parquet")
    assert [(each.line, each.messages[1].content) for each in read] == [(1, "b"), (2, "b")]


@pytest.mark.parametrize(("name", "begin"), [("a.parquet", b"PAR1"), ("a.xlsx", b"PK\x03\x04")])
def test_a_broken_binary_file_is_a_fault(tmp_path: Path, name: str, begin: bytes):
    (tmp_path / name).write_bytes(begin + b"\x00PAR1")
    with pytest.raises(InvalidData, match=r"expected (a Parquet file|an Excel workbook)"):
        read_conversations(tmp_path / name)


def test_every_sheet_that_holds_something_is_read(tmp_path: Path):
    sheets = {
        "一": [["问答表", ""], ["问题", "回答"], ["a", 3.0], ["c", "d"]],
        "空": [],
        "二": [["问题", "x"]],
        "三": [["问题", "回答"], ["e", "f"]],
    }
    write_xlsx(tmp_path / "a.xlsx", sheets)
    items = list(read_items(tmp_path / "a.xlsx"))
    first = [item for item in items if isinstance(item, Conversation)]
    assert [[each.content for each in one.messages] for one in first] == [
        ["a", "3"],
        ["c", "d"],
        ["e", "f"],
    ]
    assert [one.line for one in first] == [3, 4, 2]
    title, fault = [item for item in items if isinstance(item, Fault)]
    assert (title.line, title.kind) == (1, "title row")
    assert (fault.source, fault.field) == (f"{tmp_path / 'a.xlsx'}[二]", "sheet")


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        '{"question": "头晕怎么办？", "answer": "先量血压。"}\n',
        '[\n {"question": "头晕怎么办？", "answer": "先量血压。"}]',
        '{"rows": [\n {"question": "头晕怎么办？", "answer": "先量血压。"}]}',
        "question,answer\n头晕怎么办？,先量血压。\n",
        "question\tanswer\n头晕怎么办？\t先量血压。\n",
        "Q: 头晕怎么办？\nA: 先量血压。",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_standard_input_is_what_it_looks_like(
    monkeypatch: pytest.MonkeyPatch, content: str, encoding: str
):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content.encode(encoding))))
    [conversation] = read_conversations("-")
    assert [each.content for each in conversation.messages] == ["头晕怎么办？", "先量血压。"]
    assert conversation.source == "standard input"


def test_several_paths_are_read_together_and_a_bad_one_hides_no_good_one(tmp_path: Path):
    good = write(tmp_path / "a.txt", GOOD)
    bad = write(tmp_path / "b.txt", " ")
    items = list(read_items([good, bad, good]))
    assert [type(item) for item in items] == [Conversation, Fault, Conversation]


def test_a_data_set_of_the_hub_is_loaded_by_its_library(tmp_path: Path, monkeypatch: Any):
    """From a folder, as the library also takes it: the hub cannot be reached in a test."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    write(tmp_path / "set" / "train.jsonl", '{"instruction": "a", "output": "b"}\n')
    [conversation] = read_conversations(f"hf:{tmp_path / 'set'}")
    assert (conversation.line, conversation.messages[1].content) == (1, "b")
    with pytest.raises(UnreadableFile, match="the datasets library cannot load it"):
        read_conversations(f"hf:{tmp_path / 'nothing'}")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("問：頭が痛いです。どうすればいいですか。\n答：病院へ行ってください。\n", "shift-jis"),
        ("Q: Wie heißt der Müller?\nA: Jörg.\n", "cp1252"),
    ],
)
def test_a_guessed_encoding_that_may_be_wrong_is_a_warning(
    tmp_path: Path, text: str, encoding: str
):
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    kinds = [item.kind for item in read_items(path) if isinstance(item, Fault)]
    assert "encoding" in kinds


@pytest.mark.parametrize("text", ["问：好\n答：好\n", GOOD, "Q: 头痛\nA: 休息一下"])
def test_a_few_chinese_characters_are_enough(tmp_path: Path, text: str):
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode("gb18030"))
    [conversation] = list(read_items(path))
    assert isinstance(conversation, Conversation)
    assert conversation.messages[0].content in text


def test_links_are_followed_and_broken_ones_are_no_secret(tmp_path: Path):
    write(tmp_path / "elsewhere" / "a.txt", GOOD)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "loop").symlink_to(folder)
    assert len(read_conversations(folder)) == 1
    (folder / "broken.txt").symlink_to(tmp_path / "nothing")
    with pytest.raises(UnreadableFile):
        read_conversations(folder)


TABLE = "question,answer\na,b\n"


@pytest.mark.parametrize(
    ("options", "files", "unused"),
    [
        (ReadOptions(roles={"甲": "user"}), ["a.csv"], "--roles"),
        (ReadOptions(columns={"question": "问"}), ["a.txt"], "--map"),
        (ReadOptions(roles={"甲": "user"}), ["a.csv", "a.txt"], None),
        (ReadOptions(columns={"question": "question", "answer": "answer"}), ["a.csv"], None),
    ],
)
def test_an_option_that_no_file_has_a_use_for_is_a_fault(
    tmp_path: Path, options: ReadOptions, files: list[str], unused: str | None
):
    paths = [write(tmp_path / name, TABLE if name == "a.csv" else GOOD) for name in files]
    faults = [item for item in read_items(paths, options) if isinstance(item, Fault)]
    assert [(fault.field, fault.severity) for fault in faults] == [(unused, "error")] * bool(unused)
    assert all("leave" in fault.expected for fault in faults)
