"""Text as it streams, by a real byte-level tokenizer and by one with Llama-2's byte fallback."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
import tokenizers
from hypothesis import assume, given
from hypothesis import strategies as st
from tokenizers import decoders, models, normalizers
from transformers import PreTrainedTokenizerFast

from serving.requests.text_stream import INCOMPLETE, TextStream

PLAIN = "你好，World 🚲! 👩‍👩‍👧"


class ByteChunks:
    """Token i is any run of bytes: every way there is to split a text."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = chunks

    def decode(self, token_ids: Any, *, skip_special_tokens: bool) -> str:
        return b"".join(self._chunks[i] for i in token_ids).decode(errors="replace")


@pytest.fixture(scope="module")
def byte_fallback() -> Any:
    """Words where it has them, else one token a byte, as Llama-2's tokenizer does."""
    words = ["<unk>", "▁", "▁my", "▁chain", "好", "▁好", "a"]
    vocabulary = {word: i for i, word in enumerate([*words, *(f"<0x{i:02X}>" for i in range(256))])}
    inner = tokenizers.Tokenizer(
        models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, unk_token="<unk>")
    )
    inner.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    inner.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>")


def stream(detokenizer: Any, token_ids: Sequence[int], stop: Sequence[str] = ()) -> list[str]:
    """What is sent after each token, then at the end."""
    text = TextStream(detokenizer, stop)
    sent: list[str] = []
    for token_id in token_ids:
        sent.append(text.push(token_id))
        if text.is_stopped:
            return sent
    return [*sent, text.finish()]


@st.composite
def split_texts(draw: Callable[..., Any], texts: st.SearchStrategy[str]) -> list[bytes]:
    """A text's bytes cut anywhere, in the middle of characters too."""
    raw = draw(texts).encode()
    cuts = draw(st.sets(st.integers(1, max(1, len(raw) - 1))))
    edges = [0, *sorted(cut for cut in cuts if cut < len(raw)), len(raw)]
    return [raw[a:b] for a, b in pairwise(edges)]


texts = st.text(st.sampled_from(PLAIN + "ab�\n") | st.characters(codec="utf-8"), max_size=24)


@given(split_texts(texts))
def test_joined_output_is_the_whole_text_however_it_is_split(chunks: list[bytes]):
    whole = b"".join(chunks).decode()
    assume(not whole.endswith(INCOMPLETE))
    assert "".join(stream(ByteChunks(chunks), range(len(chunks)))) == whole


@given(split_texts(texts.filter(lambda text: INCOMPLETE not in text)))
def test_no_piece_holds_a_broken_character(chunks: list[bytes]):
    assert all(INCOMPLETE not in piece for piece in stream(ByteChunks(chunks), range(len(chunks))))


@given(text=texts.filter(lambda text: not text.endswith(INCOMPLETE)))
def test_byte_level_tokens_give_the_whole_text(text: str, make_tokenizer: Any, templates: Any):
    tokenizer = make_tokenizer(templates["chatml"])
    token_ids = tokenizer.encode(text, add_special_tokens=False)
    assert "".join(stream(tokenizer, token_ids)) == tokenizer.decode(token_ids)


@given(text=texts.filter(lambda text: not text.endswith(INCOMPLETE)))
def test_byte_fallback_tokens_give_the_whole_text(text: str, byte_fallback: Any):
    token_ids = byte_fallback.encode(text, add_special_tokens=False)
    assert "".join(stream(byte_fallback, token_ids)) == byte_fallback.decode(token_ids)


def test_special_tokens_give_no_text_and_break_nothing(make_tokenizer: Any, templates: Any):
    tokenizer = make_tokenizer(templates["chatml"])
    first, *rest = tokenizer.encode("医", add_special_tokens=False)
    special = tokenizer.convert_tokens_to_ids("<|im_start|>")
    assert "".join(stream(tokenizer, [special, first, special, *rest, special])) == "医"


def test_text_is_sent_as_soon_as_its_character_is_whole():
    chunks = ["你".encode()[:1], "你".encode()[1:2], "你".encode()[2:], b"!"]
    assert stream(ByteChunks(chunks), range(4)) == ["", "", "你", "!", ""]


def test_an_unfinished_character_at_the_end_is_dropped():
    assert stream(ByteChunks([b"ok ", "🚲".encode()[:3]]), range(2)) == ["ok ", "", ""]


def test_bytes_that_are_no_text_do_not_hold_back_what_follows():
    assert "".join(stream(ByteChunks([b"\xe4", b"a", b"b"]), range(3))) == "\ufffdab"


def test_a_stop_string_across_token_borders_ends_the_text_before_it():
    chunks = [b"One. ", b"Us", b"er", b": two"]
    assert stream(ByteChunks(chunks), range(4), ["User:"]) == ["One. ", "", "", ""]


def test_a_beginning_that_comes_to_nothing_is_sent_after_all():
    assert stream(ByteChunks([b"Us", b"eful", b" Us"]), range(3), ["User:"]) == [
        "",
        "Useful",
        " ",
        "Us",
    ]


def test_a_stop_string_may_end_within_a_multibyte_token():
    chunks = ["好。".encode()[:4], "好。".encode()[4:] + "停止".encode()[:4], "止".encode()[1:]]
    assert "".join(stream(ByteChunks(chunks), range(3), ["停止"])) == "好。"


def test_the_earliest_of_several_stop_strings_counts():
    text = TextStream(ByteChunks([b"a END b STOP c"]), ["STOP", "END"])
    assert text.push(0) == "a "
    assert text.is_stopped
    assert text.finish() == ""


def test_nothing_comes_after_a_stop_string():
    text = TextStream(ByteChunks([b"a END", b" more"]), ["END"])
    assert [text.push(0), text.push(1), text.finish()] == ["a ", "", ""]


stops = st.lists(st.text("ab你🚲", min_size=1, max_size=4), min_size=1, max_size=3)


@given(split_texts(st.text("ab你🚲", max_size=16)), stops)
def test_stop_text_never_leaks_and_nothing_else_is_lost(chunks: list[bytes], stop: list[str]):
    whole = b"".join(chunks).decode()
    text = TextStream(ByteChunks(chunks), stop)
    sent = ""
    for index in range(len(chunks)):
        sent += text.push(index)
    sent += text.finish()
    assert not any(each in sent for each in stop)
    if text.is_stopped:
        assert any(whole.startswith(sent + each) for each in stop)
    else:
        assert sent == whole
