"""Adapters that are traps: archives that climb, burst, lie or hide, and forms that are broken."""

import io
import json
import stat
import struct
import zipfile
from collections.abc import Iterator, Mapping

from tests.hostile.wire import Hostile, post

TARGET = "/v1/adapters?name=trap"
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
BOUNDARY = "----a-boundary"
GIB = 1 << 30

Files = Mapping[str, bytes]


def right_files() -> dict[str, bytes]:
    """An adapter of the tiny base that nothing is wrong with."""
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "tiny-llama",
        "r": 4,
        "lora_alpha": 8,
        "target_modules": ["q_proj"],
    }
    return {CONFIG: json.dumps(config).encode(), WEIGHTS: _weights()}


def _weights() -> bytes:
    header: dict[str, object] = {}
    end = 0
    for layer in range(2):
        for name, shape in (("lora_A", [4, 64]), ("lora_B", [64, 4])):
            tensor = f"base_model.model.model.layers.{layer}.self_attn.q_proj.{name}.weight"
            header[tensor] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + 1024]}
            end += 1024
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + struct.pack("<f", 0.01) * (end // 4)


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", method) as writer:
        for name, content in files.items():
            writer.writestr(name, content)
    return archive.getvalue()


def upload(archive: bytes, target: str = TARGET) -> bytes:
    return post(target, archive, "application/zip")


def form(files: Files, name_as: str = 'filename="{}"', end: str = "--\r\n") -> bytes:
    parts = b"".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; '
        f"{name_as.format(name)}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, content in files.items()
    )
    body = parts + f"--{BOUNDARY}{end}".encode()
    return post(TARGET, body, f"multipart/form-data; boundary={BOUNDARY}")


def uploads() -> Iterator[Hostile]:
    right = right_files()
    for kind, name in _climbing_names().items():
        yield Hostile(f"zip with {kind}", upload(zipped(right | {name: b"x"})))
        yield Hostile(f"form with {kind}", form(right | {name: b"x"}))
    for kind, archive in (_archives() | _lies()).items():
        yield Hostile(f"zip: {kind}", upload(archive))
        yield Hostile(f"form with zip: {kind}", form({"adapter.zip": archive}))
    for kind, files in _contents().items():
        yield Hostile(f"zip of {kind}", upload(zipped(files)))
        yield Hostile(f"form of {kind}", form(files))
    yield Hostile("form without an end", form(right, end=""))
    yield Hostile("form of no files", form({}))
    yield Hostile("form with fields for files", form(right, name_as='x="{}"'))
    for name in (
        "",
        "..",
        "../trap",
        "a/b",
        "a%00",
        "a%0A",
        "tiny-llama",
        "tcm@1",
        "%2e%2e",
        "CON:",
    ):
        yield Hostile(f"upload as {name!r}", upload(zipped(right), f"/v1/adapters?name={name}"))


def with_template(template: str, name: str) -> bytes:
    """A right adapter whose own chat template is this."""
    files = right_files() | {"chat_template.jinja": template.encode()}
    return upload(zipped(files), f"/v1/adapters?name={name}")


def _climbing_names() -> dict[str, str]:
    return {
        "a way up": "../evil.txt",
        "a way up within": f"tcm/../../{CONFIG}",
        "an absolute name": "/tmp/evil.txt",
        "backslashes": "..\\evil.txt",
        "a drive": "C:\\evil.txt",
        "a folder in a folder": f"a/b/{WEIGHTS}",
        "an unknown file": "evil.py",
        "a pickle": "adapter_model.bin",
        "a hidden file": ".bashrc",
        "a blank name": " ",
        "a long name": "a" * 5_000,
        "a device": "NUL",
        "a turned name": "\u202egnp.exe",
    }


def _archives() -> dict[str, bytes]:
    right = right_files()
    archive = zipped(right)
    return {
        "nothing": b"",
        "no archive": b"PK\x03\x04" + b"x" * 1_000,
        "another magic": b"\x1f\x8b\x08" + archive[3:],
        "tar": b"adapter_config.json".ljust(257, b"\0") + b"ustar\x0000" + bytes(2_000),
        "truncated": archive[: len(archive) // 2],
        "only a directory": archive[archive.index(b"PK\x01\x02") :],
        "of nothing": zipped({}),
        "in a zip": zipped({"adapter.zip": archive}),
        "names twice": _twice(right),
        "link for weights": _with_link(WEIGHTS, "/etc/passwd"),
        "link for a config": _with_link(CONFIG, "../../tcm/1/adapter_config.json"),
        "a pipe": _with_mode(WEIGHTS, stat.S_IFIFO),
        "bomb": zipped(right | {WEIGHTS: bytes(30 << 20)}),
        "bomb in a card": zipped(right | {"README.md": bytes(10 << 20)}),
        "ten thousand files": zipped({f"{index}": b"" for index in range(10_000)}),
    }


def _twice(files: Files) -> bytes:
    """The second config takes the first one's name after it was written."""
    archive = zipped({**files, "adapter_confiX.json": b"{}"})
    return archive.replace(b"adapter_confiX.json", CONFIG.encode())


def _with_mode(name: str, mode: int, content: bytes = b"") -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        for other, right in right_files().items():
            if other != name:
                writer.writestr(other, right)
        entry = zipfile.ZipInfo(name)
        entry.create_system = 3  # Unix
        entry.external_attr = (mode | 0o777) << 16
        writer.writestr(entry, content)
    return archive.getvalue()


def _with_link(name: str, target: str) -> bytes:
    return _with_mode(name, stat.S_IFLNK, target.encode())


def _lies() -> dict[str, bytes]:
    """Central directories that say of their last entry what is not so."""
    archive = zipped(right_files(), zipfile.ZIP_STORED)
    entry = archive.rindex(b"PK\x01\x02")  # flags at 8, method 10, CRC 16, sizes 20 and 24
    end = archive.rindex(b"PK\x05\x06")  # entries at 8 and 10, offset 16

    def patched(at: int, layout: str, *values: int) -> bytes:
        changed = bytearray(archive)
        struct.pack_into(layout, changed, at, *values)
        return bytes(changed)

    return {
        "encrypted": patched(entry + 8, "<H", 1),
        "unknown method": patched(entry + 10, "<H", 99),
        "wrong checksum": patched(entry + 16, "<I", 0xDEADBEEF),
        "smaller than it is": patched(entry + 20, "<II", 10, 10),
        "larger than it is": patched(entry + 20, "<II", GIB, GIB),
        "larger than any limit": patched(entry + 20, "<II", 0xFFFFFFF0, 0xFFFFFFF0),
        "more entries than any adapter": patched(end + 8, "<HH", 999, 999),
        "a directory elsewhere": patched(end + 16, "<I", 0x7FFFFFFF),
    }


def _contents() -> dict[str, dict[str, bytes]]:
    right = right_files()
    huge = struct.pack("<Q", 1 << 60) + b"{}"
    outside = {"a": {"dtype": "F32", "shape": [4, 64], "data_offsets": [0, 1 << 40]}}
    text = json.dumps(outside).encode()
    config = json.loads(right[CONFIG])
    return {
        "no config": {WEIGHTS: right[WEIGHTS]},
        "no weights": {CONFIG: right[CONFIG]},
        "a broken config": right | {CONFIG: b"{"},
        "a deep config": right | {CONFIG: b"[" * 100_000},
        "a config of NaN": right | {CONFIG: b'{"r": NaN}'},
        "a config of a list": right | {CONFIG: b"[]"},
        "a rank of words": right | {CONFIG: json.dumps(config | {"r": "x"}).encode()},
        "DoRA": right | {CONFIG: json.dumps(config | {"use_dora": True}).encode()},
        "no tensors": right | {WEIGHTS: b""},
        "pickled tensors": right | {WEIGHTS: b"\x80\x04\x95cposix\nsystem\n"},
        "a header beyond all": right | {WEIGHTS: huge},
        "tensors outside the file": right | {WEIGHTS: struct.pack("<Q", len(text)) + text},
        "cut tensors": right | {WEIGHTS: right[WEIGHTS][:-100]},
        "tensors of another base": right | {WEIGHTS: right[WEIGHTS].replace(b"q_proj", b"z_proj")},
        "a broken card": right | {"lora-chat.json": b"{"},
    }
