"""Which adapters can share a base, and what their weights are multiplied by."""

import json
from pathlib import Path
from typing import Any

import pytest
from peft import PeftModel
from transformers import AutoModelForCausalLM

from finetune.adapters.files import CONFIG_FILE, WEIGHTS_FILE
from finetune.adapters.lora import LoraSettings, read_lora
from finetune.errors import AdapterInvalid


def adapter(folder: Path, **config: Any) -> Path:
    """A folder as PEFT writes it, as far as the configuration goes."""
    plain = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "bias": "none", "use_dora": False}
    (folder / CONFIG_FILE).write_text(json.dumps({**plain, **config}))
    (folder / WEIGHTS_FILE).touch()
    return folder


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"alora_invocation_tokens": [1, 2]}, "activated LoRA"),
        ({"init_lora_weights": "pissa"}, "pissa initialisation"),
        ({"init_lora_weights": "pissa_niter_4"}, "pissa_niter_4 initialisation"),
        ({"init_lora_weights": "loftq"}, "loftq initialisation"),
        ({"init_lora_weights": "olora"}, "olora initialisation"),
        ({"init_lora_weights": "corda"}, "corda initialisation"),
        ({"init_lora_weights": "lora_ga"}, "lora_ga initialisation"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"trainable_token_indices": [5]}, "trainable tokens"),
        ({"trainable_token_indices": {"embed_tokens": [5]}}, "trainable tokens"),
        ({"lora_bias": True}, "lora_bias"),
        ({"bias": "all"}, "trained biases"),
        ({"bias": "lora_only"}, "trained biases"),
        ({"target_parameters": ["experts.gate_up_proj"]}, "target_parameters"),
        ({"layer_replication": [[0, 2], [1, 2]]}, "layer replication"),
        ({"use_qalora": True}, "QALoRA"),
        ({"use_bdlora": {"nblocks": 2}}, "BD-LoRA"),
        ({"arrow_config": {"top_k": 2}}, "Arrow routing"),
        ({"kasa_config": {"beta": 0.1}}, "KaSA"),
        ({"monteclora_config": {"sample_scaler": 1}}, "MonteCLoRA"),
        ({"peft_type": "LOHA"}, "peft_type LOHA"),
        ({"peft_type": None}, "peft_type None"),
    ],
)
def test_a_kind_that_cannot_share_a_base_is_refused_by_name(
    tmp_path: Path, config: dict[str, Any], name: str
):
    with pytest.raises(AdapterInvalid) as caught:
        read_lora(adapter(tmp_path, **config))
    assert f"it uses {name}." in str(caught.value)
    assert "plain LoRA or rsLoRA" in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", '{"r": "x"}', '{"r": NaN}', "[" * 100_000])
def test_a_config_that_cannot_be_read_is_refused_by_path(tmp_path: Path, text: str):
    (adapter(tmp_path) / CONFIG_FILE).write_text(text)
    with pytest.raises(AdapterInvalid) as caught:
        read_lora(tmp_path)
    assert f"{tmp_path / CONFIG_FILE} is damaged" in str(caught.value)


def test_all_that_is_refused_is_named_together(tmp_path: Path):
    with pytest.raises(AdapterInvalid, match=r"DoRA, lora_bias, trained biases\."):
        read_lora(adapter(tmp_path, use_dora=True, lora_bias=True, bias="all"))


@pytest.mark.parametrize("options", [{}, {"use_rslora": True}, {"init_lora_weights": "gaussian"}])
def test_what_peft_writes_for_plain_lora_is_accepted(
    tmp_path: Path, make_base: Any, make_adapter: Any, options: dict[str, Any]
):
    settings = read_lora(make_adapter(make_base("llama"), tmp_path / "adapter", **options))
    assert (settings.r, settings.lora_alpha) == (4, 8)
    assert settings.use_rslora == options.get("use_rslora", False)
    assert settings.base_model_name_or_path == "tiny-llama"


@pytest.mark.parametrize("use_rslora", [False, True])
def test_the_scale_of_every_module_is_that_of_peft(
    tmp_path: Path, make_base: Any, make_adapter: Any, use_rslora: bool
):
    base = make_base("llama")
    folder = make_adapter(
        base,
        tmp_path / "adapter",
        use_rslora=use_rslora,
        rank_pattern={"q_proj": 2, "layers.1.mlp.up_proj": 6, r"layers\.0\.mlp\..*": 3},
        alpha_pattern={"v_proj": 5, r"model\.layers\.1\..*_proj": 12, "layers.0.mlp.up_proj": 1},
    )
    settings = read_lora(folder)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(folder))
    modules: dict[str, Any] = {
        name.removeprefix("base_model.model."): module
        for name, module in model.named_modules()
        if hasattr(module, "lora_A")
    }
    assert len(modules) == 14
    assert len({module.scaling["default"] for module in modules.values()}) > 5
    for name, module in modules.items():
        rank = module.lora_A["default"].weight.shape[0]
        assert settings.scale(name, rank) == pytest.approx(module.scaling["default"], rel=1e-12)


def test_a_pattern_matches_whole_names_alone():
    settings = LoraSettings(r=4, lora_alpha=8, alpha_pattern={"proj": 1, "q_proj": 2})
    assert settings.scale("model.layers.0.self_attn.q_proj", 4) == 0.5
    assert settings.scale("model.layers.0.self_attn.k_proj", 4) == 2.0


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"r": "many", "lora_alpha": 8}', '{"r": 8}', "\xff"]
)
def test_a_damaged_configuration_is_refused_by_path(tmp_path: Path, text: str):
    adapter(tmp_path)
    (tmp_path / CONFIG_FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(AdapterInvalid, match=r"adapter_config\.json is damaged"):
        read_lora(tmp_path)


@pytest.mark.parametrize("value", [0, -1])
def test_a_senseless_rank_is_refused(tmp_path: Path, value: int):
    with pytest.raises(AdapterInvalid, match="is damaged"):
        read_lora(adapter(tmp_path, r=value))


@pytest.mark.parametrize("missing", [CONFIG_FILE, WEIGHTS_FILE])
def test_a_folder_that_lacks_a_file_is_refused_by_its_name(tmp_path: Path, missing: str):
    (adapter(tmp_path) / missing).unlink()
    with pytest.raises(AdapterInvalid, match=f"holds no {missing}: it is not a PEFT adapter"):
        read_lora(tmp_path)


def test_an_older_adapter_is_told_from_what_is_none(tmp_path: Path):
    (adapter(tmp_path) / WEIGHTS_FILE).rename(tmp_path / "adapter_model.bin")
    with pytest.raises(AdapterInvalid, match=r"it is an older PEFT adapter.*adapters import"):
        read_lora(tmp_path)


@pytest.mark.parametrize("kind", ["PROMPT_TUNING", "PREFIX_TUNING", "P_TUNING", "VERA", "OFT"])
def test_a_kind_that_has_no_rank_is_named_all_the_same(tmp_path: Path, kind: str):
    (adapter(tmp_path) / CONFIG_FILE).write_text(json.dumps({"peft_type": kind}))
    with pytest.raises(AdapterInvalid, match=f"it uses peft_type {kind}"):
        read_lora(tmp_path)


def test_a_rank_is_that_of_peft(tmp_path: Path):
    settings = read_lora(adapter(tmp_path, rank_pattern={"q_proj": 2, r"layers\.1\.mlp\..*": 3}))
    ranks = {"self_attn.q_proj": (2, 2), "self_attn.k_proj": (8, 8), "mlp.up_proj": (8, 3)}
    for module, expected in ranks.items():
        assert tuple(settings.rank(f"model.layers.{n}.{module}") for n in (0, 1)) == expected
