"""LLaMA-Factory's dataset_info.json: what the fields are called in the files that lie beside it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = "dataset_info.json"
# What a column is there, and here; `messages` depends on the tags.
ALPACA = {
    "prompt": "question",
    "query": "input",
    "response": "answer",
    "chosen": "answer",
    "system": "system",
    "history": "history",
    "kto_tag": "keep",
}
SHAREGPT = {"system": "system", "tools": "tools", "kto_tag": "keep"}
OPENAI = ("role", "content")


def columns_of(path: Path) -> Mapping[str, str]:
    """What our fields are called in a file, as a dataset_info.json in its folder, or in the one
    above, says; nothing where none says so."""
    for folder in (path.parent, path.parent.parent):
        described = _read(folder)
        for each in (path, path.parent):
            if each in described:
                return described[each]
    return {}


def _read(folder: Path) -> dict[Path, Mapping[str, str]]:
    """The columns by file; nothing where there is no such list, or it is another program's."""
    try:
        described = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    entries = described.values() if isinstance(described, dict) else ()
    named = [each for each in entries if isinstance(each, dict) and _is_named(each)]
    return {folder / each["file_name"]: _columns(each) for each in reversed(named)}


def _is_named(entry: Mapping[str, Any]) -> bool:
    given = entry.get("columns")
    columns = given.values() if isinstance(given, dict) else (None,)
    return isinstance(entry.get("file_name"), str) and all(
        isinstance(each, str) for each in columns
    )


def _columns(entry: Mapping[str, Any]) -> dict[str, str]:
    given: Mapping[str, str] = entry["columns"]
    if entry.get("formatting", "alpaca") != "sharegpt":
        return {ALPACA[key]: name for key, name in given.items() if key in ALPACA}
    tags = entry.get("tags")
    tags = tags if isinstance(tags, dict) else {}
    shape = (
        "messages" if (tags.get("role_tag"), tags.get("content_tag")) == OPENAI else "conversations"
    )
    kept = {SHAREGPT[key]: name for key, name in given.items() if key in SHAREGPT}
    return {shape: given.get("messages", "conversations"), **kept}
