"""Bodies that are no JSON, or JSON that no reader should have to bear."""

import json
from collections.abc import Iterator
from typing import Any

from tests.hostile.wire import CHAT, Hostile, chat, http, post

MEGABYTE = 1 << 20


def bodies() -> Iterator[Hostile]:
    for kind, body in _texts().items():
        yield Hostile(f"body {kind}", post(CHAT, body))
    for kind, content_type in _content_types().items():
        yield Hostile(f"content type {kind}", post(CHAT, _right(), content_type))
    yield Hostile("content type missing", http("POST", CHAT, _right()))
    for kind, field in _large().items():
        yield Hostile(f"large {kind}", chat(**field))


def _right() -> bytes:
    return _with("1")


def _with(max_tokens: str, content: str = '"Hi"') -> bytes:
    """JSON, pasted: what stands in it need not be any."""
    return (
        f'{{"model":"tiny-llama","max_tokens":{max_tokens},'
        f'"messages":[{{"role":"user","content":{content}}}]}}'
    ).encode("utf-8", "surrogatepass")


def _texts() -> dict[str, bytes]:
    right = _right()
    return {
        "empty": b"",
        "blank": b"   ",
        "null": b"null",
        "number": b"1",
        "string": b'"Hi"',
        "list": b"[]",
        "list of requests": b"[" + right + b"]",
        "two requests": right + right,
        "trailing": right + b"x",
        "truncated": right[:-2],
        "truncated in a string": right[:-7],
        "single quotes": right.replace(b'"', b"'"),
        "comma at the end": right[:-1] + b",}",
        "comment": right[:-1] + b"/* */}",
        "byte order mark": b"\xef\xbb\xbf" + right[:-1],
        "UTF-16 half": right.decode().encode("utf-16")[:-1],
        "latin-1": _with("1", '"中"').replace("中".encode(), b"\xe4"),
        "cut character": _with("1", '"中"').replace("中".encode(), "中".encode()[:2]),
        "overlong UTF-8": _with("1", '"x"').replace(b'"x"', b'"\xc0\xaf"'),
        "surrogate bytes": _with("1", '"\ud800"'),
        "lone surrogate": _with("1", r'"\ud800"'),
        "surrogates swapped": _with("1", r'"\udc00\ud800"'),
        "bad escape": _with("1", r'"\x41"'),
        "raw control character": _with("1", '"a\nb"'),
        "nul byte": right.replace(b"Hi", b"H\0i"),
        "NaN": _with("NaN"),
        "Infinity": _with("Infinity"),
        "minus Infinity": _with("-Infinity"),
        "1e999": _with("1e999"),
        "minus": _with("-2"),
        "zero": _with("0"),
        "fraction": _with("1.5"),
        "leading zero": _with("01"),
        "hexadecimal": _with("0x1"),
        "beyond 64 bits": _with(str(2**64)),
        "5,000 digits": _with("9" * 5_000),
        "NaN as temperature": right[:-1] + b',"temperature":NaN}',
        "NaN in an unknown field": right[:-1] + b',"unknown":NaN}',
        "NaN in metadata": right[:-1] + b',"metadata":{"a":NaN}}',
        "key twice, last wrong": right[:-1] + b',"max_tokens":"x"}',
        "key twice": right[:-1] + b',"model":"tiny-llama"}',
        "key twice in a message": _with("1", '"Hi","role":"system"'),
        "deep list": b"[" * 100_000,
        "deep closed list": b"[" * 100_000 + b"]" * 100_000,
        "deep object": b'{"a":' * 100_000,
        "deep content": _with("1", "[" * 100_000 + "]" * 100_000),
        "deep unknown field": right[:-1] + b',"x":' + b"[" * 900 + b"]" * 900 + b',"n":0}',
        "form": b"model=tiny-llama&max_tokens=1",
        "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        "YAML": b"model: tiny-llama\nmessages: !!python/object/apply:os.system ['id']\n",
        "pickle": b"\x80\x04\x95\x0e\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93.",
        "zeros": bytes(10_000),
        "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    }


def _content_types() -> dict[str, str]:
    return {
        "text": "text/plain",
        "form": "application/x-www-form-urlencoded",
        "multipart": "multipart/form-data; boundary=x",
        "multipart without boundary": "multipart/form-data",
        "XML": "application/xml",
        "almost": "application/jsonx",
        "broken": ";;;",
        "long": "application/" + "x" * 5_000,
    }


def _large() -> dict[str, dict[str, Any]]:
    text = "中a" * (5 * MEGABYTE // 2)  # 10 MB of JSON and more
    return {
        "content": {"messages": [{"role": "user", "content": text}]},
        "stop": {"stop": text},
        "messages": {"messages": [{"role": "user", "content": "Hi"}] * 200_000},
        "model": {"model": text},
        "role": {"messages": [{"role": text, "content": "Hi"}]},
        "lora": {"lora": [{"name": text}]},
        "schema": {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": {"const": text}},
            }
        },
        "parts": {
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}] * 200_000}]
        },
        "unknown field and a wrong one": {"unknown": text, "n": 0},
        "keys": json.loads("{" + ",".join(f'"{n}":0' for n in range(200_000)) + ',"n":0}'),
    }
