"""The catalogue is complete, names its sources, and its numbers follow from one another."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from data.reading.reader import read_conversations
from finetune.bases.base import SHORT_NAMES, find_base
from finetune.bases.catalogue import NOT_TRIED, KnownBase, read_catalogue
from finetune.bases.gguf_file import read_gguf
from finetune.bases.gguf_shape import GgufShape
from finetune.bases.shape import FAMILIES, Shape
from finetune.bases.spelling import spelling_by
from finetune.defaults import DEFAULT_BASE

CATALOGUE = read_catalogue()
BASES = {base.hub_id: base for base in CATALOGUE.bases}
SAMPLE = Path(__file__).parents[3] / "data" / "samples" / "tcm_consultation.txt"
UNITS = {"M": 1e6, "B": 1e9}
WANTED = (
    *(f"Qwen/Qwen2.5-{size}-Instruct" for size in ("0.5B", "1.5B", "3B", "7B", "14B")),
    *(f"Qwen/Qwen3-{size}" for size in ("0.6B", "1.7B", "4B", "8B", "14B")),
    *(f"meta-llama/Llama-2-{size}-chat-hf" for size in ("7b", "13b")),
    *(f"meta-llama/Llama-{size}-Instruct" for size in ("3.1-8B", "3.2-1B", "3.2-3B")),
    *(f"HuggingFaceTB/SmolLM2-{size}-Instruct" for size in ("135M", "360M", "1.7B")),
    "mistralai/Mistral-7B-Instruct-v0.3",
    "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
)
# One of each family, with a product with the vocabulary of its own and without.
BUILT = (
    "HuggingFaceTB/SmolLM2-135M-Instruct",
    "01-ai/Yi-1.5-6B-Chat",
    "mistralai/Mistral-7B-Instruct-v0.3",
    "Qwen/Qwen2.5-7B-Instruct",
    "Qwen/Qwen3-0.6B",
)


def config_of(shape: Shape) -> Any:
    """transformers' configuration of a model of this shape."""
    return AutoConfig.for_model(
        shape.family,
        num_hidden_layers=shape.num_layers,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_attention_heads=shape.num_heads,
        num_key_value_heads=shape.num_kv_heads,
        head_dim=shape.head_dim,
        vocab_size=shape.vocab_size,
        tie_word_embeddings=shape.is_tied,
    )


@pytest.mark.parametrize("base", CATALOGUE.bases, ids=lambda base: base.name)
def test_the_stated_parameters_follow_from_the_shape(base: KnownBase):
    number, unit = float(base.stated[:-1]), UNITS[base.stated[-1]]
    whole, _, decimals = base.stated[:-1].partition(".")
    zeros = 0 if decimals else len(whole) - len(whole.rstrip("0"))
    rounding = unit * 10 ** (zeros - len(decimals))  # of the last digit; some round down
    assert abs(base.shape.num_parameters - number * unit) < rounding


@pytest.mark.parametrize("hub_id", BUILT)
def test_a_model_of_that_shape_has_as_many_parameters(hub_id: str):
    shape = BASES[hub_id].shape
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config_of(shape))
    assert shape.num_parameters == sum(p.numel() for p in model.parameters())
    assert Shape.of_config(model.config.to_dict()) == shape


def test_every_family_is_among_those_that_are_built():
    assert {BASES[hub_id].shape.family for hub_id in BUILT} == set(FAMILIES)


def test_every_base_is_one_that_is_trained_and_served():
    for base in CATALOGUE.bases:
        shape = base.shape
        assert shape.num_heads % shape.num_kv_heads == 0
        assert base.context_length >= 2048


def test_what_was_wanted_is_there_once():
    assert set(WANTED) <= set(BASES)
    assert len(BASES) == len(CATALOGUE.bases)


def test_every_row_names_its_sources_or_says_that_it_saw_none():
    for base in CATALOGUE.bases:
        for source in (base.sources.config, base.sources.licence):
            assert source.startswith(("https://", "not seen")), base.hub_id
        assert base.sources.config.startswith("https://"), base.hub_id


def test_the_spelling_of_every_tokenizer_is_measured_or_said_not_to_be():
    assert {base.tokenizer for base in CATALOGUE.bases} == set(CATALOGUE.spelling)
    assert all(value is None or 0.3 < value < 4 for value in CATALOGUE.spelling.values())


def test_only_the_default_base_has_been_tried():
    assert [base.spec for base in CATALOGUE.bases if base.tried != NOT_TRIED] == [DEFAULT_BASE]


def test_the_default_base_has_the_shape_of_its_file():
    path = SHORT_NAMES[DEFAULT_BASE].find()
    assert path is not None
    gguf = read_gguf(path)
    own, shape = GgufShape.of_gguf(gguf), CATALOGUE.bases[0].shape
    for name in ("num_layers", "num_heads", "num_kv_heads", "head_dim", "hidden_size"):
        assert getattr(own, name) == getattr(shape, name), name
    assert own.intermediate_size == shape.intermediate_size
    assert gguf.tensors["token_embd.weight"].shape == (shape.vocab_size, shape.hidden_size)


@pytest.mark.parametrize(
    ("present", "better"),
    [
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "Qwen2.5-0.5B-Instruct"),
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", "Qwen2.5-1.5B-Instruct"),
        ("meta-llama/Llama-2-7b-chat-hf", "Qwen2.5-7B-Instruct"),
        ("meta-llama/Llama-2-13b-chat-hf", "Qwen2.5-14B-Instruct"),
    ],
)
def test_the_better_base_for_chinese_is_of_a_like_size(present: str, better: str):
    found = CATALOGUE.chinese_like(BASES[present].shape)
    assert found.name == better
    assert found.is_open


def test_a_shape_is_read_from_a_configuration_of_another_age():
    config = {
        "model_type": "llama",
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 320,
    }
    shape = Shape.of_config(config)
    assert shape is not None
    assert (shape.num_kv_heads, shape.head_dim, shape.is_tied) == (4, 16, False)
    assert Shape.of_config({**config, "model_type": "gemma"}) is None


def test_the_default_base_spends_on_chinese_what_is_said(default_home: Path):
    spelling = spelling_by(find_base(DEFAULT_BASE, default_home).tokenizer)
    for conversation in read_conversations(SAMPLE):
        spelling.add(conversation)
    assert spelling.per_character == pytest.approx(CATALOGUE.spelling["smollm2"], abs=0.01)
