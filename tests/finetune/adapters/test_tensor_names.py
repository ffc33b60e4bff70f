"""Names that say what PEFT's say, and those that say something else."""

import pytest

from finetune.adapters.tensor_names import usual_names
from finetune.errors import AdapterInvalid

USUAL = "base_model.model.model.layers.3.mlp.up_proj.lora_B.weight"


@pytest.mark.parametrize(
    "name",
    [
        USUAL,
        "layers.3.mlp.up_proj.lora_B.weight",
        "model.layers.3.mlp.up_proj.lora_B.weight",
        "model.layers.3.mlp.up_proj.lora_B.my_adapter.weight",
        "base_model.model.model.layers.3.mlp.up_proj.lora_B.default.weight",
        "base_model.model.model.model.layers.3.mlp.up_proj.lora_B.weight",
        "base_model.model.language_model.model.layers.3.mlp.up_proj.lora_B.weight",
        "base_model.model.model.text_model.layers.3.mlp.up_proj.lora_B.weight",
        "module._orig_mod.base_model.model.model.layers.3.mlp.up_proj.lora_B.weight",
        "model.layers.3._checkpoint_wrapped_module.mlp.up_proj.lora_B.default.weight",
    ],
)
def test_names_of_the_same_tensor_become_the_usual_one(name: str):
    assert usual_names([name]) == {name: USUAL}


@pytest.mark.parametrize(
    "name",
    [
        "base_model.model.lm_head.lora_B.weight",
        "base_model.model.model.embed_tokens.lora_embedding_B",
        "base_model.model.vision_tower.model.layers.3.mlp.up_proj.lora_B.weight",
        "base_model.model.model.layers.3.mlp.up_proj.lora_magnitude_vector",
        "model.layers.3.mlp.up_proj.lora_b",
        "transformer.h.3.attn.c_attn.lora_B.weight",
    ],
)
def test_other_names_stay_as_they_are(name: str):
    assert usual_names([name]) == {name: name}


def test_two_names_of_one_tensor_are_refused():
    with pytest.raises(AdapterInvalid, match="same tensor of two adapters"):
        usual_names([USUAL, "layers.3.mlp.up_proj.lora_B.other.weight"])
