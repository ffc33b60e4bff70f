"""Tokens that an adapter's own tokenizer has and its base lacks: they have no embeddings."""

import json
from collections.abc import Container
from pathlib import Path
from typing import Any

FILES = ("added_tokens.json", "tokenizer_config.json", "tokenizer.json")


def added_tokens(folder: Path, vocabulary: Container[str]) -> tuple[str, ...]:
    """Those that are not in the base's `vocabulary`, without the one for padding, which no prompt
    has. What cannot be read names none: nothing else reads these files."""
    added, config, tokenizer = (_read(folder / name) for name in FILES)
    listed = [*_dicts(config.get("added_tokens_decoder")), *_dicts(tokenizer.get("added_tokens"))]
    names = [*added, *(entry.get("content") for entry in listed)]
    padding = config.get("pad_token")
    if isinstance(padding, dict):
        padding = padding.get("content")
    found = dict.fromkeys(name for name in names if isinstance(name, str) and name != padding)
    return tuple(name for name in found if name not in vocabulary)


def _read(path: Path) -> dict[str, Any]:
    try:
        found: Any = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _dicts(listed: Any) -> list[dict[str, Any]]:
    entries: Any = list(listed.values()) if isinstance(listed, dict) else listed
    if not isinstance(entries, list):
        return []
    return [each for each in entries if isinstance(each, dict)]
