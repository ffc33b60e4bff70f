"""Names and bytes of tokens, and that no log probability is lost where text is held back."""

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import pytest
import tokenizers
from tokenizers import decoders, models
from transformers import PreTrainedTokenizerFast

from service.api.logprobs import TokenNames
from serving.engine import Delta, Request, TokenLogprob
from serving.scripted import ScriptedEngine

Ask = Callable[..., Any]


class PlayedEngine(ScriptedEngine):
    """Streams given deltas."""

    def __init__(self, deltas: Sequence[Delta]) -> None:
        super().__init__()
        self._deltas = deltas

    async def submit(self, request: Request) -> AsyncGenerator[Delta]:
        for delta in self._deltas:
            yield delta


@pytest.fixture(scope="module")
def byte_fallback() -> Any:
    """Tokens as SentencePiece writes them."""
    tokens = ["<unk>", "▁", "▁my", "好", "<0xE4>", "<0x41>", "<0x0A>"]
    inner = tokenizers.Tokenizer(
        models.BPE(
            vocab={token: i for i, token in enumerate(tokens)},
            merges=[],
            byte_fallback=True,
            unk_token="<unk>",
        )
    )
    inner.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback()])
    fast: Any = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>")
    fast.add_tokens(["<plain>"])
    return fast


def told(token_id: int, *others: int) -> TokenLogprob:
    return TokenLogprob(token_id, -0.5, tuple((other, -1.0) for other in others))


def delta(token_id: int, text: str = "", **options: Any) -> Delta:
    return Delta((token_id,), text, logprobs=(told(token_id),), **options)


def logprobs_of(response: Any) -> list[Any]:
    """The log probabilities of each content chunk and of the last one."""
    assert response.status_code == 200, response.text
    payloads = [block.removeprefix("data: ") for block in response.text.split("\n\n")]
    chunks = [json.loads(payload) for payload in payloads if payload.startswith("{")]
    return [chunk["choices"][0]["logprobs"] for chunk in chunks]


def bytes_of(listed: Sequence[Any]) -> bytes:
    return b"".join(bytes(token["bytes"]) for token in listed)


@pytest.mark.parametrize("text", ["Hello, world\n\t", "你好 🚲", "\x00\x7f\xa0\xad¡ÿ"])
def test_byte_level_tokens_have_the_texts_bytes(tokenizer: Any, text: str):
    names = TokenNames(tokenizer)
    token_ids = tokenizer.encode(text, add_special_tokens=False)
    assert [names.bytes_of(token_id) for token_id in token_ids] == [
        bytes([byte]) for byte in text.encode()
    ]


def test_tokens_of_several_bytes_have_them_all(make_tokenizer: Any, templates: Any):
    tokenizer = make_tokenizer(templates["chatml"])
    text = "患者：我最近失眠多梦。Check the chain, then ride safe. 🚲"
    names = TokenNames(tokenizer)
    raw = [names.bytes_of(i) or b"" for i in tokenizer.encode(text, add_special_tokens=False)]
    assert b"".join(raw) == text.encode()
    assert max(len(each) for each in raw) > 2


def test_tokens_that_are_not_written_in_bytes_are_taken_as_they_are():
    inner = tokenizers.Tokenizer(models.BPE(vocab={"中医": 0, "Ġa": 1}, merges=[]))
    names = TokenNames(PreTrainedTokenizerFast(tokenizer_object=inner))  # has no decoder
    assert [names.bytes_of(token_id) for token_id in range(2)] == ["中医".encode(), "Ġa".encode()]
    inner.decoder = decoders.ByteLevel()
    names = TokenNames(PreTrainedTokenizerFast(tokenizer_object=inner))
    assert [names.bytes_of(token_id) for token_id in range(2)] == ["中医".encode(), b" a"]


@pytest.mark.parametrize(
    ("token", "raw"),
    [
        ("▁my", b" my"),
        ("▁", b" "),
        ("好", "好".encode()),
        ("<0xE4>", b"\xe4"),
        ("<0x0A>", b"\n"),
        ("<unk>", None),
        ("<plain>", b"<plain>"),
    ],
)
def test_sentencepiece_tokens_have_their_bytes(byte_fallback: Any, token: str, raw: bytes | None):
    token_id = byte_fallback.convert_tokens_to_ids(token)
    assert TokenNames(byte_fallback).bytes_of(token_id) == raw


def test_tokens_are_named_as_openai_names_them(byte_fallback: Any):
    listed = TokenNames(byte_fallback).listed([told(2, 4, 0), told(999)]).model_dump()
    assert listed == {
        "content": [
            {
                "token": " my",
                "logprob": -0.5,
                "bytes": [32, 109, 121],
                "top_logprobs": [
                    {"token": "bytes:\\xe4", "logprob": -1.0, "bytes": [0xE4]},
                    {"token": "<unk>", "logprob": -1.0, "bytes": None},
                ],
            },
            {"token": "<token 999>", "logprob": -0.5, "bytes": None, "top_logprobs": []},
        ],
        "refusal": None,
    }


def test_an_impossible_token_has_a_number_that_json_knows(byte_fallback: Any):
    listed = TokenNames(byte_fallback).listed([TokenLogprob(3, float("-inf"))])
    assert listed.content[0].logprob == -9999.0


def test_held_back_tokens_are_told_with_the_text_they_became(ask: Ask, tokenizer: Any):
    first, second, third = tokenizer.encode("你", add_special_tokens=False)
    (letter,) = tokenizer.encode("A", add_special_tokens=False)
    end = tokenizer.eos_token_id
    deltas = [
        delta(letter, "A"),
        delta(first),
        delta(second),
        delta(third, "你"),
        delta(end, finish_reason="stop"),
    ]
    role, one, three, last = logprobs_of(ask(PlayedEngine(deltas), stream=True, logprobs=True))
    assert (role, last) == (None, None)
    assert [token["token"] for token in one["content"]] == ["A"]
    assert [token["token"] for token in three["content"]] == [
        "bytes:\\xe4",
        "bytes:\\xbd",
        "bytes:\\xa0",
    ]
    whole = ask(PlayedEngine(deltas), logprobs=True).json()["choices"][0]
    assert whole["logprobs"]["content"] == one["content"] + three["content"]
    assert bytes_of(whole["logprobs"]["content"]).decode() == whole["message"]["content"] == "A你"


def test_tokens_of_a_stop_string_are_told_with_the_end(ask: Ask, tokenizer: Any):
    a, b, c = tokenizer.encode("abc", add_special_tokens=False)
    deltas = [delta(a, "a"), delta(b), delta(c, finish_reason="stop")]
    _, one, last = logprobs_of(ask(PlayedEngine(deltas), stream=True, logprobs=True))
    assert bytes_of(one["content"]) == b"a"
    assert bytes_of(last["content"]) == b"bc"


def test_an_end_token_that_is_ignored_is_told(ask: Ask, tokenizer: Any):
    deltas = [delta(tokenizer.eos_token_id, finish_reason="length")]
    _, last = logprobs_of(ask(PlayedEngine(deltas), stream=True, logprobs=True, ignore_eos=True))
    assert [token["token"] for token in last["content"]] == ["<|im_end|>"]


def test_an_empty_answer_has_an_empty_list(ask: Ask, tokenizer: Any):
    deltas = [delta(tokenizer.eos_token_id, finish_reason="stop")]
    choice = ask(PlayedEngine(deltas), logprobs=True).json()["choices"][0]
    assert choice["logprobs"] == {"content": [], "refusal": None}


def test_answers_without_log_probabilities_say_null(ask: Ask):
    assert ask().json()["choices"][0]["logprobs"] is None
    assert set(logprobs_of(ask(stream=True))) == {None}
