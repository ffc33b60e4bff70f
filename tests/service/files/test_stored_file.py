"""Names of files: whatever a client sends, the disk gets one that every system can have."""

from pathlib import PurePath

import pytest

from service.files.stored_file import LONGEST, NOT_IN_NAMES, safe_name
from tests.hostile.names import NAMES


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("data.jsonl", "data.jsonl"),
        ("中医 问答.txt", "中医 问答.txt"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\anna\\a.csv", "a.csv"),
        ("a/b/", "b"),
        ("..", "file"),
        (".", "file"),
        ("", "file"),
        ("-", "file"),
        ("///", "file"),
        (".hidden.txt", "hidden.txt"),
        ("a\0b.txt", "ab.txt"),
        ("a\r\nX-Injected: 1.txt", "aX-Injected_ 1.txt"),
        ("\u202egpj.txt", "gpj.txt"),
        ("a\ud800.txt", "a.txt"),
        ("NUL.txt", "_NUL.txt"),
        ("con", "_con"),
        ("hf:data", "hf_data"),
        ('a<b>:"|?*.csv', "a_b______.csv"),
        ("e\u0301.txt", "\u00e9.txt"),
        ("a. ", "a"),
    ],
)
def test_a_name_loses_folders_and_what_no_system_has(given: str, kept: str):
    assert safe_name(given) == kept
    assert safe_name(kept) == kept


@pytest.mark.parametrize("given", NAMES.values(), ids=NAMES)
def test_a_hostile_name_becomes_one_of_a_plain_file(given: str):
    name = safe_name(given)
    assert name == safe_name(name) == PurePath(name).name
    assert name.isprintable()
    assert name not in ("", ".", "..", "-")
    assert not set(name) & set(NOT_IN_NAMES)
    assert len(name.encode()) <= LONGEST


@pytest.mark.parametrize("stem", ["a", "中", "😀"])
def test_a_long_name_keeps_its_suffixes(stem: str):
    name = safe_name(f"{stem * 300}.jsonl.gz")
    assert name.startswith(stem)
    assert name.endswith(f"{stem}.jsonl.gz")
    assert LONGEST - 4 < len(name.encode()) <= LONGEST


def test_a_long_suffix_is_none():
    assert len(safe_name("a." + "b" * 5_000).encode()) == LONGEST
