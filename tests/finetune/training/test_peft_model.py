"""Which layers an adapter is put on."""

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from finetune.bases.base import Base, load_model
from finetune.errors import ConfigError
from finetune.training.config import TrainConfig
from finetune.training.peft_model import add_adapter, layers_of

SMALL: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
}
SEEING: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"}
ONE_MLP = {"gate_proj", "up_proj", "down_proj"}


def model_of(kind: str, **options: Any) -> Any:
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **options))


def names(model: Any) -> set[str]:
    return {name.rpartition(".")[2] for name in layers_of(model)}


@pytest.mark.parametrize("family", ["llama", "gemma2", "phi3"])
def test_all_layers_are_those_that_peft_means(family: str, make_base: Any):
    config = TrainConfig.model_validate({"rank": 2})
    model = load_model(Base("tiny", make_base(family)), "fp32", "cpu")
    linear = {name for name, each in model.named_modules() if isinstance(each, torch.nn.Linear)}
    assert {*layers_of(model)} == linear - {"lm_head"}
    chosen = add_adapter(model, config, 0.0).peft_config["default"].target_modules
    assert chosen == linear - {"lm_head"}


def test_experts_and_their_router_are_left_out():
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    model = model_of("qwen3_moe", **SMALL, **experts, head_dim=8)
    assert names(model) == ATTENTION
    add_adapter(model, TrainConfig.model_validate({"rank": 2}), 0.0)
    asked = TrainConfig.model_validate({"target_modules": ["gate_proj", "up_proj", "q_proj"]})
    model = model_of("qwen3_moe", **SMALL, **experts, head_dim=8)
    told = pytest.raises(ConfigError, match=r"experts cannot be served.*name other layers")
    with pytest.warns(RuntimeWarning, match="pattern keys"), told:
        add_adapter(model, asked, 0.0)


def test_what_a_state_space_reads_past_the_adapter_is_left_out():
    model = model_of("mamba", vocab_size=64, hidden_size=32, num_hidden_layers=1, state_size=4)
    assert names(model) == {"in_proj"}
    add_adapter(model, TrainConfig.model_validate({"rank": 2}), 0.0)


def test_a_tower_for_pictures_is_left_out():
    text = SMALL | {"head_dim": 8}
    model = model_of("gemma3", text_config=text, vision_config=SEEING, mm_tokens_per_image=4)
    assert names(model) == ATTENTION | ONE_MLP
    assert all(name.startswith("model.language_model.layers.0.") for name in layers_of(model))


@pytest.mark.parametrize(("family", "name"), [("llama", "lm_head"), ("gemma2", "embed_tokens")])
def test_the_tables_of_the_vocabulary_are_refused(family: str, name: str, make_base: Any):
    asked = TrainConfig.model_validate({"target_modules": ["q_proj", name]})
    model = load_model(Base("tiny", make_base(family)), "fp32", "cpu")
    with pytest.raises(ConfigError, match=f"target_modules:\n  {name} cannot be served"):
        add_adapter(model, asked, 0.0)


def test_an_embedding_by_another_name_is_refused():
    model = model_of("gpt_neox", **SMALL)
    asked = TrainConfig.model_validate({"target_modules": ["embed_in"]})
    with pytest.raises(ConfigError, match="embed_in cannot be served"):
        add_adapter(model, asked, 0.0)
