"""One question after the other on a kept connection, as cheaply as a client can."""

import http.client
import json
import time
from contextlib import closing
from urllib.parse import urlsplit

from benchmarks.overhead.raw_streams import END
from benchmarks.process import ProgramFailed

from .shapes import CHAT

TIMEOUT = 60  # [seconds] for an answer


def time_answers(url: str, model: str, letter: str, count: int, *, streams: bool) -> list[float]:
    """How long each of `count` answers of one token takes [seconds], from sending to its end.

    Raises ProgramFailed where an answer is not that letter, or the connection is not kept.
    """
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Recite."}],
        "stream": streams,
        "max_tokens": 1,
    }
    asked = json.dumps(body).encode()
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT)
    with closing(connection):
        return [_time_answer(connection, asked, letter, streams=streams) for _ in range(count)]


def _time_answer(
    connection: http.client.HTTPConnection, asked: bytes, letter: str, *, streams: bool
) -> float:
    sent = time.perf_counter()
    connection.request("POST", CHAT, asked, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    seconds = time.perf_counter() - sent
    is_whole = f'"content":"{letter}"'.encode() in answer and (END in answer or not streams)
    if response.status != http.client.OK or not is_whole or response.will_close:
        shown = answer[:300].decode(errors="replace")
        raise ProgramFailed(f"{letter!r} was to be answered, not {response.status}: {shown}")
    return seconds
