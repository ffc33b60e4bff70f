"""A stand-in for a vLLM server that answers at once, until it is told to stop.

It speaks vLLM 0.32's HTTP where our engine and a chat client need it, over bare sockets: what it
costs itself is little. An adapter has another word than the base, unless it is one of zeros.
"""

import asyncio
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finetune.adapters.files import WEIGHTS_FILE

from .shapes import CHAT, COMPLETIONS, DONE, Word, events, whole

PACE = "/pace"  # not vLLM's: how fast it is to answer from now on
CONTEXT = 2048  # [tokens]
HEAD_END = b"\r\n\r\n"
LAST = b"0\r\n\r\n"  # of an answer in parts
JSON, EVENTS = "application/json", "text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Asked:
    path: str
    body: dict[str, Any]
    closes: bool  # after the answer


@dataclass
class StandIn:
    base: str
    base_word: Word
    adapter_word: Word
    pause: float = 0.0  # [seconds] after each event
    piece: int = 1  # [tokens] in an event
    words: dict[str, Word] = field(default_factory=dict[str, Word])  # by adapters' names

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        try:
            while (asked := await read_request(reader)) is not None:
                await self._answer(asked, writer)
                if asked.closes:
                    break
        except ConnectionError:
            pass  # whoever asked has left
        finally:
            writer.close()

    async def _answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        body = asked.body
        match asked.path:
            case "/v1/models":
                writer.write(_whole(json.dumps({"data": self._cards()}).encode()))
            case "/v1/load_lora_adapter":
                self.words[body["lora_name"]] = self._word_of(Path(body["lora_path"]))
                writer.write(_whole(b"Success"))
            case "/v1/unload_lora_adapter":
                del self.words[body["lora_name"]]
                writer.write(_whole(b"Success"))
            case path if path == PACE:
                self.pause, self.piece = body["pause"], body["piece"]
                writer.write(_whole(b"{}"))
            case path if path in (COMPLETIONS, CHAT):
                await self._complete(path, body, writer)
            case path:
                writer.write(_refusal(f"There is no {path}."))

    async def _complete(
        self, path: str, body: dict[str, Any], writer: asyncio.StreamWriter
    ) -> None:
        name = body["model"]
        word = self.base_word if name == self.base else self.words.get(name)
        if word is None:
            writer.write(_refusal(f"The model `{name}` does not exist."))
        elif body.get("stream"):
            await self._stream(events(path, body, word, self.piece), writer)
        else:
            writer.write(_whole(whole(path, body, word)))

    async def _stream(self, parts: Iterable[bytes], writer: asyncio.StreamWriter) -> None:
        """Each event is sent by itself, as vLLM does; streams take turns."""
        writer.write(_head("200 OK", EVENTS, "Transfer-Encoding: chunked"))
        for part in parts:
            writer.write(_part(part))
            await writer.drain()
            await asyncio.sleep(self.pause)
        writer.write(_part(DONE) + LAST)

    def _cards(self) -> list[dict[str, Any]]:
        base = {"id": self.base, "parent": None, "max_model_len": CONTEXT}
        return [base, *({"id": name, "parent": self.base} for name in self.words)]

    def _word_of(self, folder: Path) -> Word:
        from safetensors.numpy import load_file

        tensors = load_file(folder / WEIGHTS_FILE)
        has_effect = any(tensor.any() for tensor in tensors.values())
        return self.adapter_word if has_effect else self.base_word


async def read_request(reader: asyncio.StreamReader) -> Asked | None:
    """The next request of a connection; None where there is none any more."""
    try:
        head = (await reader.readuntil(HEAD_END)).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    pairs = (line.split(":", 1) for line in lines)
    headers = {name.lower(): value.strip() for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    closes = headers.get("connection") == "close"
    return Asked(first.split(" ")[1], json.loads(body or b"{}"), closes)


def _head(status: str, kind: str, length: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{length}\r\n\r\n".encode()


def _whole(body: bytes, status: str = "200 OK") -> bytes:
    return _head(status, JSON, f"Content-Length: {len(body)}") + body


def _refusal(message: str) -> bytes:
    error = {"message": message, "type": "NotFoundError", "param": None, "code": 404}
    return _whole(json.dumps({"error": error}).encode(), "404 Not Found")


def _part(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def main(base: str, base_token: int, adapter_token: int) -> None:
    """Says on stdout where it listens. The words are letters: a and b, by the tokens' ids."""
    stand_in = StandIn(base, Word(base_token, "a"), Word(adapter_token, "b"))
    server = await asyncio.start_server(stand_in.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)  # noqa: T201 - its answer
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
