"""JSON lines and JSON documents, row by row."""

from .files import read_json, read_jsonl

__all__ = ["read_json", "read_jsonl"]
