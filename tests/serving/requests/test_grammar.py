"""JSON answers of a model that chooses at random: what ends is what the schema asks for."""

import json
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tokenizers
import torch
from tokenizers import decoders, models, normalizers
from transformers import PreTrainedTokenizerFast

from serving.engine import Sampling
from serving.errors import SchemaRefused
from serving.requests.grammar import Grammars, Matcher
from serving.requests.sampler import Sampler

PADDING = 12  # logits that no token stands for, as many bases have
PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "姓名": {"type": "string", "maxLength": 6},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "married": {"type": "boolean"},
        "herb": {"enum": ["百合", "莲子", "ginger"]},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 3}, "maxItems": 3},
    },
    "required": ["姓名", "age", "married", "herb"],
    "additionalProperties": False,
}
INTEGER = '{"type": "integer"}'
ANY_OBJECT = '{"type": "object"}'


@pytest.fixture(scope="module")
def tokenizer(make_tokenizer: Callable[[str], Any], templates: dict[str, str]) -> Any:
    return make_tokenizer(templates["chatml"])


@pytest.fixture(scope="module")
def byte_fallback() -> Any:
    """Words where it has them, else one token a byte, as Llama-2's tokenizer does."""
    words = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256))]
    words += ["▁", "▁{", '{"', '":', "医", "▁医", *"0123456789", *"abcdefghijklmnopqrstuvwxyz"]
    inner = tokenizers.Tokenizer(
        models.BPE(
            vocab={word: i for i, word in enumerate(words)},
            merges=[],
            byte_fallback=True,
            unk_token="<unk>",
        )
    )
    inner.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )


@pytest.fixture(scope="module")
def grammars(tokenizer: Any) -> Grammars:
    return Grammars(tokenizer, len(tokenizer) + PADDING)


def random_answer(
    tokenizer: Any, grammars: Grammars, schema: str, seed: int, max_tokens: int = 400
) -> str | None:
    """What a model says whose every logit is random; None if it does not come to an end."""
    end_ids = (tokenizer.eos_token_id,)
    sampler = Sampler(Sampling(seed=seed), (), grammars.matcher(schema, end_ids))
    generator = torch.Generator().manual_seed(seed)
    said: list[int] = []
    for _ in range(max_tokens):
        logits = 2 * torch.randn(len(tokenizer) + PADDING, generator=generator)
        token_id = sampler.pick(logits).token_id
        if token_id in end_ids:
            assert sampler.is_finished
            return tokenizer.decode(said)
        said.append(token_id)
        if sampler.is_finished:
            return tokenizer.decode(said)
    return None


def random_answers(tokenizer: Any, grammars: Grammars, schema: Any) -> list[Any]:
    """All that came to an end, read as JSON."""
    texts = [random_answer(tokenizer, grammars, json.dumps(schema), seed) for seed in range(12)]
    return [json.loads(text) for text in texts if text is not None]


def allowed(matcher: Matcher, size: int) -> set[int]:
    masked = matcher.mask(np.zeros(size, np.float32))
    assert set(masked.tolist()) <= {0.0, -np.inf}
    return set(np.flatnonzero(np.isfinite(masked)).tolist())


def feed(matcher: Matcher, tokenizer: Any, text: str) -> None:
    for token_id in tokenizer.encode(text, add_special_tokens=False):
        matcher.accept(token_id)


def assert_person(value: Any) -> None:
    assert list(value)[:4] == ["姓名", "age", "married", "herb"]
    assert set(value) <= set(PERSON["properties"])
    assert isinstance(value["姓名"], str)
    assert len(value["姓名"]) <= 6
    assert type(value["age"]) is int
    assert 0 <= value["age"] <= 130
    assert type(value["married"]) is bool
    assert value["herb"] in ["百合", "莲子", "ginger"]
    assert len(value.get("tags", [])) <= 3
    assert all(isinstance(tag, str) and len(tag) <= 3 for tag in value.get("tags", []))


def test_random_answers_fit_their_schema(tokenizer: Any, grammars: Grammars):
    answers = random_answers(tokenizer, grammars, PERSON)
    assert len(answers) == 12
    for answer in answers:
        assert_person(answer)


def test_a_tokenizer_with_byte_fallback_gives_json_too(byte_fallback: Any):
    grammars = Grammars(byte_fallback, len(byte_fallback) + PADDING)
    answers = random_answers(byte_fallback, grammars, PERSON)
    assert len(answers) == 12
    for answer in answers:
        assert_person(answer)


def test_random_objects_are_json(tokenizer: Any, grammars: Grammars):
    answers = random_answers(tokenizer, grammars, {"type": "object"})
    assert len(answers) >= 6
    assert all(isinstance(answer, dict) for answer in answers)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "number"},
        {"enum": [None, True, "中医", 3.5]},
        {"type": "array", "items": {"type": "null"}, "minItems": 2, "maxItems": 4},
        {"anyOf": [{"const": "是"}, {"type": "boolean"}]},
        {
            "$ref": "#/$defs/node",
            "$defs": {
                "node": {
                    "type": "object",
                    "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"const": 0}]}},
                    "required": ["next"],
                    "additionalProperties": False,
                }
            },
        },
    ],
)
def test_schemas_of_many_kinds_give_json(tokenizer: Any, grammars: Grammars, schema: Any):
    assert random_answers(tokenizer, grammars, schema)


def test_chinese_is_written_as_it_is(tokenizer: Any, grammars: Grammars):
    matcher = grammars.matcher(ANY_OBJECT, ())
    feed(matcher, tokenizer, '{"症状": "失眠多梦，心脾两虚"}')
    assert matcher.is_finished


def test_a_character_may_not_be_left_unfinished(tokenizer: Any, grammars: Grammars):
    matcher = grammars.matcher('{"type": "string"}', ())
    feed(matcher, tokenizer, '"')
    matcher.accept(tokenizer.encode("失", add_special_tokens=False)[0])
    assert tokenizer.encode('"', add_special_tokens=False)[0] not in allowed(
        matcher, len(tokenizer)
    )


def test_whitespace_is_bounded(tokenizer: Any, grammars: Grammars):
    (blank,) = tokenizer.encode(" ", add_special_tokens=False)
    matcher = grammars.matcher(ANY_OBJECT, ())
    feed(matcher, tokenizer, "{\n" + 16 * " ")
    assert blank not in allowed(matcher, len(tokenizer))
    feed(matcher, tokenizer, '"a": [1, 2]\n}')
    assert matcher.is_finished


def test_the_end_is_allowed_exactly_where_the_answer_may_end(tokenizer: Any, grammars: Grammars):
    ends = tuple(tokenizer.convert_tokens_to_ids(["</s>", "<|im_end|>"]))
    matcher = grammars.matcher(INTEGER, ends)
    size = len(tokenizer) + PADDING
    assert not allowed(matcher, size) & set(ends)
    feed(matcher, tokenizer, "-")
    assert not allowed(matcher, size) & set(ends)
    feed(matcher, tokenizer, "7")
    digits = {tokenizer.convert_tokens_to_ids(str(digit)) for digit in range(10)}
    assert allowed(matcher, size) == digits | set(ends)
    assert not matcher.is_finished
    matcher.accept(ends[0])
    assert matcher.is_finished


def test_end_tokens_of_others_and_padding_are_never_allowed(tokenizer: Any, grammars: Grammars):
    own = tokenizer.convert_tokens_to_ids("</s>")
    matcher = grammars.matcher(INTEGER, (own,))
    feed(matcher, tokenizer, "7")
    size = len(tokenizer) + PADDING
    assert tokenizer.eos_token_id not in allowed(matcher, size)
    assert max(allowed(matcher, size)) < len(tokenizer)


def test_a_base_with_fewer_logits_than_tokens_is_masked_too(tokenizer: Any):
    size = len(tokenizer) - 5
    assert allowed(Grammars(tokenizer, size).matcher(ANY_OBJECT, ()), size)


def test_a_complete_answer_needs_no_end_token(tokenizer: Any, grammars: Grammars):
    matcher = grammars.matcher('{"const": {"a": 1}}', (tokenizer.eos_token_id,))
    feed(matcher, tokenizer, '{"a":1')
    assert not matcher.is_finished
    feed(matcher, tokenizer, "}")
    assert matcher.is_finished
    assert allowed(matcher, len(tokenizer)) == {tokenizer.eos_token_id}


@pytest.mark.parametrize("token", ["x", "<|im_end|>"])
def test_a_token_that_breaks_the_grammar_is_an_error(
    tokenizer: Any, grammars: Grammars, token: str
):
    token_id = tokenizer.convert_tokens_to_ids(token)
    with pytest.raises(SchemaRefused, match="token"):
        grammars.matcher(INTEGER, (tokenizer.eos_token_id,)).accept(token_id)


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "banana"}, "banana"),
        ({"type": "object", "properties": 3}, "properties"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"type": "string", "pattern": "(?=a)"}, "look-around"),
        ({"type": "integer", "minimum": 5, "maximum": 1}, "minimum"),
        ({"$ref": "https://example.com/x"}, "example.com"),
        ({"$ref": "#"}, ""),
        ({"x": "\ud800"}, ""),
        ([1], "object"),
    ],
)
def test_what_cannot_be_enforced_is_refused_with_its_reason(
    grammars: Grammars, schema: Any, reason: str
):
    for _ in range(2):
        with pytest.raises(SchemaRefused, match=f"(?s)JSON schema.*{reason}") as caught:
            grammars.matcher(json.dumps(schema), ())
        assert "<" not in str(caught.value)


def test_a_schema_that_grows_beyond_its_limits_is_refused_on_the_way(
    tokenizer: Any, grammars: Grammars
):
    schema = {"type": "string", "pattern": "(.{0,500}a.{0,500}b){20}"}
    matcher = grammars.matcher(json.dumps(schema), ())

    def write(text: str) -> None:
        for character in text:
            feed(matcher, tokenizer, character)
            allowed(matcher, len(tokenizer))

    with pytest.raises(SchemaRefused, match="too many"):
        write('"' + 200 * "ab")


def test_a_base_whose_tokenizer_is_foreign_refuses_every_schema():
    words = tokenizers.Tokenizer(models.WordLevel({"a": 0, "<unk>": 1}, unk_token="<unk>"))
    foreign = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>")
    with pytest.raises(SchemaRefused, match="tokenizer"):
        Grammars(foreign, 2).matcher(ANY_OBJECT, ())


def test_answers_of_one_schema_do_not_touch_each_other(tokenizer: Any, grammars: Grammars):
    one, other = (grammars.matcher(INTEGER, ()) for _ in range(2))
    feed(one, tokenizer, "12")
    assert tokenizer.convert_tokens_to_ids("-") in allowed(other, len(tokenizer))
    assert tokenizer.convert_tokens_to_ids("-") not in allowed(one, len(tokenizer))


def test_the_callers_tokenizer_is_left_as_it_was(tokenizer: Any):
    before = tokenizer.backend_tokenizer.to_str()
    Grammars(tokenizer, len(tokenizer)).matcher(INTEGER, ())
    assert tokenizer.backend_tokenizer.to_str() == before


def test_several_threads_may_ask_at_once(tokenizer: Any):
    grammars = Grammars(tokenizer, len(tokenizer))
    found: list[set[int]] = []
    schemas = [json.dumps({"const": str(number % 3)}) for number in range(12)]
    threads = [
        threading.Thread(
            target=lambda schema=schema: found.append(
                allowed(grammars.matcher(schema, ()), len(tokenizer))
            )
        )
        for schema in schemas
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12
