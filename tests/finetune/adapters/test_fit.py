"""What an adapter's own files say of its fit, and PEFT beside it where it has an opinion."""

from pathlib import Path
from typing import Any

import pytest
from peft import PeftModel
from transformers import AutoModelForCausalLM

from finetune.adapters.added_tokens import added_tokens
from finetune.adapters.files import WEIGHTS_FILE
from finetune.adapters.fit import Fit, wrong_ranks
from finetune.adapters.header import read_shapes
from finetune.adapters.lora import read_lora
from finetune.bases.base import Base
from tests.foreign_adapters import QV, SIZES, SOUND, lora_tensors, write_adapter


@pytest.fixture(scope="module")
def fit(make_base: Any) -> Fit:
    return Fit(Base("smollm2-135m", make_base("llama")))


def missing(fit: Fit, folder: Path) -> list[str]:
    return fit.missing(read_lora(folder), read_shapes(folder / WEIGHTS_FILE))


@pytest.mark.parametrize("form", SOUND)
def test_a_sound_adapter_lacks_nothing_and_has_its_ranks(form: str, fit: Fit, tmp_path: Path):
    folder = SOUND[form](tmp_path / "it")
    assert missing(fit, folder) == []
    assert wrong_ranks(read_lora(folder), read_shapes(folder / WEIGHTS_FILE)) is None


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"target_modules": ["q_proj", "k_proj", "v_proj"]},
            ["model.layers.0.self_attn.k_proj", "model.layers.1.self_attn.k_proj"],
        ),
        (
            {"target_modules": r".*layers\.1\.self_attn\.(q|k)_proj"},
            ["model.layers.1.self_attn.k_proj"],
        ),
        (
            {"target_modules": ["up_proj", "q_proj"], "layers_to_transform": [1]},
            ["model.layers.1.mlp.up_proj"],
        ),
        ({"target_modules": ["q_proj", "c_attn", "query_key_value"]}, []),
        ({"target_modules": "("}, []),
        ({"target_modules": None}, []),
        ({"target_modules": ["k_proj", "q_proj"], "exclude_modules": r".*\.k_proj"}, []),
    ],
    ids=str,
)
def test_modules_that_were_to_be_trained_and_have_no_tensors_are_found(
    config: dict[str, Any], expected: list[str], fit: Fit, tmp_path: Path
):
    assert missing(fit, write_adapter(tmp_path / "it", **config)) == expected


def test_a_layers_number_is_found_wherever_the_family_has_it(make_base: Any, tmp_path: Path):
    fit = Fit(Base("smollm2-135m", make_base("llama")))
    layers = [f"model.language_model.layers.{number}.mlp.up_proj" for number in range(2)]
    fit.sizes = dict.fromkeys(layers, (8, 8))
    config: dict[str, Any] = {"target_modules": ["up_proj"], "layers_to_transform": [1]}
    assert missing(fit, write_adapter(tmp_path / "it", **config)) == layers[1:]


def test_all_linear_means_every_projection(fit: Fit, tmp_path: Path):
    folder = write_adapter(tmp_path / "it", target_modules="all-linear")
    assert len(missing(fit, folder)) == 2 * (len(SIZES) - len(QV))


def test_a_layer_that_was_not_saved_is_missing_as_peft_says(fit: Fit, tmp_path: Path):
    folder = write_adapter(tmp_path / "it", lora_tensors(layers=[0]))
    assert missing(fit, folder) == [f"model.layers.1.{module}" for module in QV]


def test_ranks_that_the_configuration_does_not_know_are_refused_by_peft_too(
    make_base: Any, tmp_path: Path
):
    ranks = {"self_attn.v_proj": 2}
    folder = write_adapter(tmp_path / "it", lora_tensors(ranks=ranks))
    said = wrong_ranks(read_lora(folder), read_shapes(folder / WEIGHTS_FILE))
    assert said is not None
    assert "has rank 2 at model.layers.0.self_attn.v_proj where its configuration says 4" in said
    model = AutoModelForCausalLM.from_pretrained(make_base("llama"))
    with pytest.raises(RuntimeError, match="size mismatch"):
        PeftModel.from_pretrained(model, str(folder))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, ()),
        ({"added_tokens.json": '{"<PAT>": 320, "<s>": 0}'}, ("<PAT>",)),
        (
            {"tokenizer_config.json": '{"added_tokens_decoder": {"320": {"content": "<DOC>"}}}'},
            ("<DOC>",),
        ),
        ({"tokenizer.json": '{"added_tokens": [{"id": 9, "content": "<DOC>"}]}'}, ("<DOC>",)),
        (
            {
                "added_tokens.json": '{"<PAD>": 320, "<PAT>": 321}',
                "tokenizer_config.json": '{"pad_token": "<PAD>"}',
            },
            ("<PAT>",),
        ),
        ({"added_tokens.json": "[1]", "tokenizer_config.json": "{", "tokenizer.json": "9"}, ()),
        ({"tokenizer_config.json": '{"added_tokens_decoder": [1], "pad_token": null}'}, ()),
    ],
    ids=str,
)
def test_tokens_that_the_base_lacks_are_named(
    files: dict[str, str], expected: tuple[str, ...], tmp_path: Path
):
    folder = write_adapter(tmp_path / "it", files=files)
    assert added_tokens(folder, {"<s>", "</s>"}) == expected
