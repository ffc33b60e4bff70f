"""What vLLM 0.32 says, in its shapes: built once for an answer, and sent token by token."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]

COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"
CREATED = 1_764_500_000  # [seconds since 1970]: as long as any other
DONE = b"data: [DONE]\n\n"
LOGPROB = -0.5  # [nats] of the token; each of the others is less likely by 1
OFFSET = 1000  # from one token that is told as likely to the next


@dataclass(frozen=True, slots=True)
class Word:
    """All that a model has to say, over and over: one token."""

    token_id: int
    letter: str


def events(path: str, asked: Json, word: Word, piece: int) -> Iterator[bytes]:
    """A stream's events up to [DONE], `piece` tokens in each that has any."""
    most: int = asked["max_tokens"]
    if path == CHAT:
        yield _event(_chunk(path, asked, {"delta": {"role": "assistant", "content": ""}}))
    some = _event(_chunk(path, asked, _tokens(path, word, piece)))
    yield from (some for _ in range((most - 1) // piece))
    last = _tokens(path, word, (most - 1) % piece + 1)
    yield _event(_chunk(path, asked, last, "length"))


def whole(path: str, asked: Json, word: Word) -> bytes:
    """An answer that is not streamed."""
    most: int = asked["max_tokens"]
    text = {"message": {"role": "assistant", "content": word.letter * most}}
    if path == COMPLETIONS:
        text = _tokens(path, word, most) | {"logprobs": _likely(asked, word)}
    num_prompt = len(asked.get("prompt", ()))
    usage = {"prompt_tokens": num_prompt, "completion_tokens": most}
    return _json(_chunk(path, asked, text, "length") | {"usage": usage})


def _tokens(path: str, word: Word, count: int) -> dict[str, Any]:
    text = word.letter * count
    if path == CHAT:
        return {"delta": {"content": text}}
    return {"text": text, "prompt_token_ids": None, "token_ids": [word.token_id] * count}


def _chunk(path: str, asked: Json, part: Json, reason: str | None = None) -> dict[str, Any]:
    kind = "cmpl" if path == COMPLETIONS else "chatcmpl"
    choice = {"index": 0, "logprobs": None, "finish_reason": reason, "stop_reason": None, **part}
    return {
        "id": f"{kind}-{CREATED:032x}",
        "object": "text_completion" if path == COMPLETIONS else "chat.completion.chunk",
        "created": CREATED,
        "model": asked["model"],
        "choices": [choice],
    }


def _likely(asked: Json, word: Word) -> dict[str, Any] | None:
    """Log probabilities of an answer of one token, told by ids."""
    count: int | None = asked.get("logprobs")
    if count is None:
        return None
    top = {f"token_id:{word.token_id + each * OFFSET}": LOGPROB - each for each in range(count)}
    return {
        "tokens": [f"token_id:{word.token_id}"],
        "token_logprobs": [LOGPROB],
        "top_logprobs": [top],
    }


def _event(chunk: Json) -> bytes:
    return b"data: %b\n\n" % _json(chunk)


def _json(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
