"""Files for training that are traps: forms that lie, ids that climb, ranges that nobody has."""

from collections.abc import Iterator, Mapping
from urllib.parse import quote

from tests.hostile.names import NAMES
from tests.hostile.wire import Hostile, http, post

TARGET = "/v1/files"
BOUNDARY = "----a-boundary"
RIGHT = b'{"question": "a", "answer": "b"}\n'
FORM = "multipart/form-data; boundary="
NO_ID = "file-" + "0" * 24


def form(
    fields: Mapping[str, str],
    name: str | None = "a.jsonl",
    field: str = "file",
    end: str = "--\r\n",
) -> bytes:
    """A form with fields and, where it has a name, a file."""
    parts = [f'form-data; name="{key}"\r\n\r\n{value}' for key, value in fields.items()]
    if name is not None:
        parts.append(f'form-data; name="{field}"; filename="{name}"\r\n\r\n{RIGHT.decode()}')
    framed = [f"--{BOUNDARY}\r\nContent-Disposition: {part}\r\n" for part in parts]
    body = "".join(framed) + f"--{BOUNDARY}{end}"
    return post(
        TARGET,
        body.encode("utf-8", "surrogatepass"),
        f"{FORM}{BOUNDARY}",
    )


def files() -> Iterator[Hostile]:
    for kind, name in NAMES.items():
        yield Hostile(f"file with the purpose {kind}", form({"purpose": name}))
        if kind != "empty":
            yield from _ids(kind, quote(name, safe="", errors="surrogatepass"))
    for purpose in ("assistants", "batch", "vision", "user_data", "evals", "FINE-TUNE"):
        yield Hostile(f"file for {purpose}", form({"purpose": purpose}))
    for seconds in ("0", "3599", "2592001", "-3600", "1e400", "nan", "inf", "0x1000", "9" * 250):
        expires = {"expires_after[anchor]": "created_at", "expires_after[seconds]": seconds}
        yield Hostile(f"file for {seconds[:9]} seconds", form({"purpose": "fine-tune"} | expires))
    right = {"purpose": "fine-tune"}
    yield Hostile("file from now", form(right | {"expires_after[anchor]": "now"}))
    yield Hostile("file that is none", form(right, None))
    yield Hostile("file that is a field", form(right | {"file": "a"}, None))
    yield Hostile("file in another field", form(right, field="document"))
    yield Hostile("file without an end", form(right, end=""))
    yield Hostile("file behind too many fields", form({str(n): "x" for n in range(20)} | right))
    yield Hostile("file behind a long field", form(right | {"x": "y" * 10_000}))
    yield Hostile("file as JSON", post(TARGET, RIGHT))
    yield Hostile("file as itself", post(TARGET, RIGHT, "application/octet-stream"))
    yield Hostile("file of a wrong boundary", post(TARGET, RIGHT, FORM))
    yield Hostile("file of a long boundary", post(TARGET, b"", f"{FORM}{'b' * 5_000}"))
    yield from _queries()


def _ids(kind: str, name: str) -> Iterator[Hostile]:
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/content"), ("GET", "/check")):
        yield Hostile(f"{method} file{path} {kind}", http(method, f"{TARGET}/{name}{path}"))


def _queries() -> Iterator[Hostile]:
    for query in (
        *("limit=0", "limit=-1", "limit=10001", "limit=1e3", "limit=nan", "limit=" + "9" * 500),
        *("limit=", "order=", "order=newest", "order=desc;drop", f"after={NO_ID}", "after="),
        *("after=file-%00", "after=../x", "after=%ff", "after=" + "x" * 5_000),
    ):
        yield Hostile(f"files by {query[:30]}", http("GET", f"{TARGET}?{query}"))
