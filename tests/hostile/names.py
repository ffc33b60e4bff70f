"""Names that would be paths, commands, markup or nothing at all, wherever a name can stand."""

from collections.abc import Iterator
from urllib.parse import quote

from tests.hostile.wire import Hostile, chat, http, post_json

NAMES = {
    "empty": "",
    "blank": " ",
    "dot": ".",
    "dots": "..",
    "up": "../../../../etc/passwd",
    "up and back": "../adapters/tcm",
    "through itself": "tcm/../tcm",
    "absolute": "/etc/passwd",
    "folder": "tcm/1",
    "file in it": "tcm/1/adapter_config.json",
    "promoted file": "tcm/promoted",
    "home": "~root",
    "variable": "$HOME",
    "backslashes": "..\\..\\windows\\win.ini",
    "drive": "C:\\boot.ini",
    "share": "\\\\server\\share",
    "device": "CON",
    "device with ending": "nul.txt",
    "stream of a file": "tcm::$DATA",
    "file url": "file:///etc/passwd",
    "version up": "tcm@..",
    "version dot": "tcm@.",
    "version path": "tcm@../../../etc",
    "version twice": "tcm@1@2",
    "nul": "tcm\0",
    "nul and ending": "tcm\0.json",
    "newline": "tcm\n",
    "header": "tcm\r\nX-Injected: 1",
    "escape": "\x1b[2Jtcm",
    "right to left": "\u202emct",
    "mark of direction": "tcm\u200f",
    "zero width": "tc\u200bm",
    "byte order mark": "\ufefftcm",
    "full width": "ｔｃｍ",
    "combining": "中医\u0301",
    "65 letters": "a" * 65,
    "300 characters": "中" * 300,
    "long": "a" * 5_000,
    "encoded": "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "encoded twice": "%252e%252e%252fetc%252fpasswd",
    "overlong dots": "%c0%ae%c0%ae/",
    "command": "`id`",
    "statement": "'; DROP TABLE keys; --",
    "template": "{{7*7}}",
    "format": "%s%n{0}",
    "markup": "<script>alert(1)</script>",
}
BLENDS = {
    "scale nan": "tcm:nan",
    "scale infinity": "tcm:inf",
    "scale overflow": "tcm:1e999",
    "scale too large": "tcm:101",
    "scale hexadecimal": "tcm:0x1",
    "scale empty": "tcm:",
    "two scales": "tcm:1:2",
    "twice": "tcm:0.5+tcm:0.5",
    "half": "tcm:0.5+",
    "plus": "+",
    "base in it": "tcm+tiny-llama",
    "path in it": "tcm:0.5+../../etc:0.5",
    "too many": "+".join(f"tcm{index}" for index in range(17)),
    "very many": "+".join(f"tcm{index}" for index in range(5_000)),
    "tag empty": "<lora:>",
    "tag open": "<lora:tcm:0.7",
    "tag path": "<lora:../../etc/passwd:1>",
    "tag in tag": "<lora:<lora:tcm:1>:1>",
}


def names() -> Iterator[Hostile]:
    for kind, name in (NAMES | BLENDS).items():
        yield Hostile(f"model {kind}", chat(model=name))
    for kind, name in NAMES.items():
        yield Hostile(f"lora {kind}", chat(lora=[{"name": name, "scale": 1.0}]))
    for kind, name in list(NAMES.items())[1:]:
        for target in ("/v1/models/{}", "/v1/adapters/{}"):
            path = target.format(quote(name, safe=""))
            yield Hostile(f"DELETE {target} {kind}", http("DELETE", path))
        yield Hostile(f"GET model {kind}", http("GET", f"/v1/models/{quote(name, safe='')}"))
        yield Hostile(f"load {kind}", post_json("/v1/load_lora_adapter", _load(name)))
        yield Hostile(f"unload {kind}", post_json("/v1/unload_lora_adapter", {"lora_name": name}))
    yield from _raw_paths()


def _load(name: str) -> dict[str, str]:
    """`tcm` itself may be loaded; what a path leads to beside it may not."""
    return {"lora_name": name, "lora_path": name}


def _raw_paths() -> Iterator[Hostile]:
    for target in (
        "/v1/models/../../../etc/passwd",
        "/v1/models/..%2f..%2f..%2fetc%2fpasswd",
        "/v1/models/%252e%252e%252fetc",
        "/v1/models/..;/tcm",
        "/v1/models/%c0%ae%c0%ae/etc",
        "/v1/models/%ff%fe",
        "/v1/models/%",
        "/v1/models/%zz",
        "/v1/models//etc/passwd",
        "/v1/../etc/passwd",
        "/../../../../etc/passwd",
        "/..%5c..%5cwindows",
        "//etc/passwd",
        "/static/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/" + "a/" * 2_000,
        "/v1/models/" + "%41" * 2_000,
    ):
        yield Hostile(f"raw {target[:40]}", http("GET", target))
