"""What no client library would send: HTTP that is wrong, doubled, endless or of another kind."""

from collections.abc import Iterator

from tests.hostile.wire import CHAT, Hostile, http

GOOD = b'{"model":"tiny-llama","max_tokens":1,"messages":[{"role":"user","content":"Hi"}]}'
JSON = "Content-Type: application/json"


def framing() -> Iterator[Hostile]:
    for method in ("PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "post", "FROBNICATE"):
        yield Hostile(f"{method} on chat", http(method, CHAT, GOOD))
    for target in (
        "chatcmpl-none",
        "%00",
        "..%2f..%2fstate.db",
        "x" * 9000,
        "chatcmpl-none/messages",
    ):
        for below in (f"{CHAT}/{target}", f"/v1/feedback/{target}"):
            yield Hostile(f"GET {below[:60]}", http("GET", below))
    for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE"):
        for target in ("/health", "/v1/models", "/openapi.json"):
            yield Hostile(f"{method} {target}", http(method, target))
    for target in (
        "/web/../state.db",
        "/web/..%2f..%2fstate.db",
        "/v1",
        "/v2/chat/completions",
        "/v1/chat",
        "/admin",
        "/.env",
        "/.git/config",
    ):
        yield Hostile(f"nothing at {target}", http("GET", target))
    for kind, wire in _broken().items():
        yield Hostile(kind, wire, is_http=kind in WELL_FORMED)


def _lines(*lines: str, body: bytes = b"", first: str = f"POST {CHAT} HTTP/1.1") -> bytes:
    head = [first, "Host: localhost", "Connection: close", *lines]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


WELL_FORMED = ("gzipped", "expectation", "web socket", "two hosts", "no host", "many headers")


def _broken() -> dict[str, bytes]:
    size = f"Content-Length: {len(GOOD)}"
    chunked = "Transfer-Encoding: chunked"
    return {
        "no HTTP": b"hello\r\n\r\n",
        "blank lines": b"\r\n" * 50 + b"x\r\n\r\n",
        "TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/0.9": b"GET /\r\n\r\n",
        "HTTP/x.y": _lines(first="GET /health HTTP/x.y"),
        "no version": _lines(first="GET /health"),
        "no target": _lines(first="GET HTTP/1.1"),
        "blank in the target": _lines(first="GET /health /x HTTP/1.1"),
        "control in the target": _lines(first="GET /hea\x01lth HTTP/1.1"),
        "bytes in the target": _lines(first="GET /\xff\xfe HTTP/1.1"),
        "long target": _lines(first=f"GET /{'a' * 200_000} HTTP/1.1"),
        "long method": _lines(first=f"{'A' * 100_000} / HTTP/1.1"),
        "other server's URL": _lines(first="GET http://169.254.169.254/x HTTP/1.1"),
        "tunnel": _lines(first="CONNECT 169.254.169.254:80 HTTP/1.1"),
        "two lengths": _lines(size, "Content-Length: 5", JSON, body=GOOD),
        "length in two parts": _lines(f"Content-Length: 5, {len(GOOD)}", JSON, body=GOOD),
        "negative length": _lines("Content-Length: -1", JSON, body=GOOD),
        "length with a sign": _lines(f"Content-Length: +{len(GOOD)}", JSON, body=GOOD),
        "length in hexadecimal": _lines(f"Content-Length: {len(GOOD):#x}", JSON, body=GOOD),
        "length of words": _lines("Content-Length: many", JSON, body=GOOD),
        "length beyond all": _lines(f"Content-Length: {'9' * 40}", JSON, body=GOOD),
        "length and chunks": _lines(size, chunked, JSON, body=b"0\r\n\r\n"),
        "chunked twice": _lines(chunked, chunked, JSON, body=b"0\r\n\r\n"),
        "chunked, then plain": _lines("Transfer-Encoding: chunked, identity", JSON, body=GOOD),
        "unknown encoding": _lines("Transfer-Encoding: rot13", JSON, body=GOOD),
        "encoding with a tab": _lines("Transfer-Encoding:\x0bchunked", JSON, body=b"0\r\n\r\n"),
        "chunk size of words": _lines(chunked, JSON, body=b"many\r\n" + GOOD + b"\r\n0\r\n\r\n"),
        "negative chunk": _lines(chunked, JSON, body=b"-1\r\n" + GOOD + b"\r\n0\r\n\r\n"),
        "endless chunk size": _lines(chunked, JSON, body=b"f" * 5_000 + b"\r\nx"),
        "chunk too short": _lines(chunked, JSON, body=b"2\r\n" + GOOD + b"\r\n0\r\n\r\n"),
        "endless chunk extension": _lines(chunked, JSON, body=b"1;" + b"a" * 200_000 + b"\r\nx"),
        "blank before the colon": _lines("Content-Type : application/json", size, body=GOOD),
        "folded header": _lines("X-Folded: a\r\n b", "Content-Length: 1", JSON, body=b"x"),
        "header without a colon": _lines("nonsense", size, JSON, body=GOOD),
        "header without a name": _lines(": x", size, JSON, body=GOOD),
        "nul in a header": _lines("X-Nul: a\0b", size, JSON, body=GOOD),
        "bare carriage return": _lines("X-Bare: a\rX-Injected: b", size, JSON, body=GOOD),
        "long header": _lines(f"X-Long: {'a' * 200_000}", size, JSON, body=GOOD),
        "endless header": b"GET /health HTTP/1.1\r\nX-Long: " + b"a" * 400_000,
        "many headers": _lines(*(f"X-{n}: {n}" for n in range(20_000)), size, JSON, body=GOOD),
        "two hosts": _lines("Host: evil", "Content-Length: 1", JSON, body=b"x"),
        "no host": f"POST {CHAT} HTTP/1.1\r\nContent-Length: 1\r\n\r\nx".encode(),
        "gzipped": _lines(
            "Content-Encoding: gzip", "Content-Length: 10", JSON, body=b"\x1f\x8b" * 5
        ),
        "expectation": _lines("Expect: 200-maybe", "Content-Length: 1", JSON, body=b"x"),
        "web socket": _lines("Upgrade: websocket", "Content-Length: 1", JSON, body=b"x"),
        "headers that stop": b"GET /health HTTP/1.1\r\nHost: local",
        "body that stops": _lines(size, JSON, body=GOOD[:-5]),
        "body that never comes": _lines(size, JSON),
        "chunk that stops": _lines(chunked, JSON, body=b"ff\r\n{"),
        "chunks that stop": _lines(chunked, JSON, body=b"1\r\n{\r\n"),
        "length larger than the body": _lines("Content-Length: 1000000", JSON, body=GOOD),
        "smuggled request": _lines(
            "Content-Length: 1", JSON, body=b"xGET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ),
    }
