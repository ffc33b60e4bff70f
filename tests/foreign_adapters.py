"""LoRA adapters as other programs leave them, for the tiny llama: files of a few kilobytes."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from finetune.adapters.files import CONFIG_FILE, WEIGHTS_FILE

HIDDEN, INNER, KEYS, LAYERS, VOCABULARY = 64, 96, 32, 2, 320
SIZES = {  # (out, in) features
    "self_attn.q_proj": (HIDDEN, HIDDEN),
    "self_attn.k_proj": (KEYS, HIDDEN),
    "self_attn.v_proj": (KEYS, HIDDEN),
    "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (INNER, HIDDEN),
    "mlp.up_proj": (INNER, HIDDEN),
    "mlp.down_proj": (HIDDEN, INNER),
}
QV = ("self_attn.q_proj", "self_attn.v_proj")
HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
UNSLOTH = (  # the expression that Unsloth writes where others list names
    r"(?:.*?(?:language|text).*?(?:self_attn|mlp).*?(?:q_proj|v_proj).*?)|"
    r"(?:\bmodel\.layers\.[\d]{1,}\.(?:self_attn|mlp)\.(?:(?:q_proj|v_proj)))"
)
CONFIG: dict[str, Any] = {  # as PEFT writes it, as far as anything depends on it
    "alpha_pattern": {},
    "auto_mapping": None,
    "base_model_name_or_path": HUB_ID,
    "bias": "none",
    "fan_in_fan_out": False,
    "inference_mode": True,
    "init_lora_weights": True,
    "layer_replication": None,
    "layers_to_transform": None,
    "lora_alpha": 8,
    "lora_dropout": 0.0,
    "modules_to_save": None,
    "peft_type": "LORA",
    "rank_pattern": {},
    "target_modules": ["q_proj", "v_proj"],
    "task_type": "CAUSAL_LM",
    "use_dora": False,
    "use_rslora": False,
}
Tensors = dict[str, Any]
Write = Callable[[Path], Path]


def lora_tensors(
    modules: Iterable[str] = QV,
    *,
    rank: int = 4,
    ranks: Mapping[str, int] | None = None,
    layers: Iterable[int] = range(LAYERS),
    kind: Any = np.float32,
    prefix: str = "base_model.model.model.",
    suffix: str = "",
) -> Tensors:
    """Random A [rank, in] and B [out, rank], by their names."""
    random = np.random.default_rng(1)
    tensors: Tensors = {}
    for layer in layers:
        for module in modules:
            out_features, in_features = SIZES[module]
            own = (ranks or {}).get(module, rank)
            for side, shape in (("A", (own, in_features)), ("B", (out_features, own))):
                name = f"{prefix}layers.{layer}.{module}.lora_{side}{suffix}.weight"
                tensors[name] = random.normal(0, 0.1, shape).astype(kind)
    return tensors


def write_adapter(
    folder: Path,
    tensors: Tensors | None = None,
    *,
    rank: int = 4,
    without: Iterable[str] = (),
    files: Mapping[str, str] | None = None,
    **config: Any,
) -> Path:
    """A folder with both of PEFT's files; then any keys of the configuration."""
    folder.mkdir(parents=True)
    save_file(lora_tensors(rank=rank) if tensors is None else tensors, folder / WEIGHTS_FILE)
    whole = {**CONFIG, "r": rank, **config}
    kept = {key: value for key, value in whole.items() if key not in without}
    (folder / CONFIG_FILE).write_text(json.dumps(kept))
    for name, text in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def pickled(folder: Path) -> Path:
    """The same adapter as PEFT wrote it before it knew of safetensors."""
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(folder / WEIGHTS_FILE), folder / "adapter_model.bin")
    (folder / WEIGHTS_FILE).unlink()
    return folder


def divided(folder: Path, num_parts: int = 2) -> Path:
    """The same adapter in parts, with their index."""
    from safetensors.numpy import load_file

    tensors = load_file(folder / WEIGHTS_FILE)
    (folder / WEIGHTS_FILE).unlink()
    weight_map: dict[str, str] = {}
    for part in range(num_parts):
        name = f"adapter_model-{part + 1:05}-of-{num_parts:05}.safetensors"
        own = sorted(tensors)[part::num_parts]
        save_file({key: tensors[key] for key in own}, folder / name)
        weight_map |= dict.fromkeys(own, name)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / f"{WEIGHTS_FILE}.index.json").write_text(json.dumps(index))
    return folder


def checkpoints(folder: Path, steps: Iterable[int] = (5, 10)) -> Path:
    """What a trainer leaves that was stopped before its end."""
    for step in steps:
        write_adapter(folder / f"checkpoint-{step}", files={"trainer_state.json": "{}"})
    (folder / "trainer_state.json").write_text("{}")
    return folder


def without_effect(tensors: Tensors) -> Tensors:
    """Every B is zero, as before the first step."""
    return {k: v * 0 if "lora_B" in k else v for k, v in tensors.items()}


SOUND: dict[str, Write] = {
    "usual": write_adapter,
    "half": lambda f: write_adapter(f, lora_tensors(kind=np.float16)),
    "expression": lambda f: write_adapter(f, target_modules=UNSLOTH),
    "all linear": lambda f: write_adapter(f, lora_tensors(SIZES), target_modules="all-linear"),
    "rank pattern": lambda f: write_adapter(
        f,
        lora_tensors(ranks={"self_attn.v_proj": 2}),
        rank_pattern={"v_proj": 2},
        alpha_pattern={"v_proj": 32},
    ),
    "rslora": lambda f: write_adapter(f, use_rslora=True),
    "no base": lambda f: write_adapter(f, without=["base_model_name_or_path"]),
    "null base": lambda f: write_adapter(f, base_model_name_or_path=None),
    "path": lambda f: write_adapter(f, base_model_name_or_path="/data/SmolLM2-135M-Instruct"),
    "unsloth": lambda f: write_adapter(
        f,
        base_model_name_or_path="unsloth/SmolLM2-135M-Instruct-bnb-4bit",
        auto_mapping={"base_model_class": "LlamaForCausalLM", "unsloth_fixed": True},
        files={"tokenizer_config.json": "{}", "README.md": "---\nbase_model: x\n---\n"},
    ),
    "eva": lambda f: write_adapter(f, init_lora_weights="eva"),
    "gaussian": lambda f: write_adapter(f, init_lora_weights="gaussian"),
    "some layers": lambda f: write_adapter(f, lora_tensors(layers=[1]), layers_to_transform=[1]),
    "one layer": lambda f: write_adapter(f, lora_tensors(layers=[0]), layers_to_transform=0),
    "all but": lambda f: write_adapter(
        f, target_modules=["q_proj", "v_proj", "o_proj"], exclude_modules=["o_proj"]
    ),
    "large rank": lambda f: write_adapter(f, rank=256),
    "odd alpha": lambda f: write_adapter(f, lora_alpha=16.5),
    "trainer": lambda f: write_adapter(
        f, files={"optimizer.pt": "x", "checkpoint-5/adapter_config.json": "{}", ".git/HEAD": "x"}
    ),
}
ODD_NAMES = {  # by prefix and suffix
    "no prefix": ("model.", ""),
    "bare layers": ("", ""),
    "adapter's name": ("base_model.model.model.", ".default"),
    "language model": ("base_model.model.model.language_model.", ""),
    "language model outside": ("base_model.model.language_model.model.", ""),
    "doubled model": ("base_model.model.model.model.", ""),
    "doubled wrapper": ("base_model.model.base_model.model.model.", ""),
    "compiled": ("base_model.model._orig_mod.model.", ""),
    "fsdp": ("_fsdp_wrapped_module.base_model.model.model._fsdp_wrapped_module.", ".default"),
    "ddp": ("module.base_model.model.model.", ""),
}


def with_names(kind: str) -> Write:
    prefix, suffix = ODD_NAMES[kind]
    return lambda f: write_adapter(f, lora_tensors(prefix=prefix, suffix=suffix))


def with_extra(name: str, *shape: int, **config: Any) -> Write:
    extra = {name: np.ones(shape, np.float32)}
    return lambda f: write_adapter(f, lora_tensors() | extra, **config)


TO_IMPORT: dict[str, tuple[Write, str]] = {  # each with what is said of it where it lies
    "pickled": (lambda f: pickled(write_adapter(f)), "older PEFT adapter, in adapter_model.bin"),
    "parts": (lambda f: divided(write_adapter(f)), "in parts, adapter_model-00001-of-00002"),
    "checkpoints": (lambda f: checkpoints(f), "checkpoints of a training, checkpoint-5, check"),
    **{kind: (with_names(kind), "names its tensors in another way") for kind in ODD_NAMES},
}
REFUSED: dict[str, tuple[Write, str]] = {
    "other base": (
        lambda f: write_adapter(f, base_model_name_or_path="meta-llama/Llama-2-7b-chat-hf"),
        "was trained on 'meta-llama/Llama-2-7b-chat-hf', as its configuration says, and the base "
        "here is 'smollm2-135m'",
    ),
    "not instruct": (
        lambda f: write_adapter(f, base_model_name_or_path="HuggingFaceTB/SmolLM2-135M"),
        "--accept-base",
    ),
    "other ranks": (
        lambda f: write_adapter(f, lora_tensors(ranks={"self_attn.v_proj": 2})),
        "has rank 2 at model.layers.0.self_attn.v_proj where its configuration says 4",
    ),
    "more layers": (lambda f: write_adapter(f, lora_tensors(layers=range(4))), "no place for"),
    "saved embeddings": (
        with_extra("base_model.model.model.embed_tokens.weight", VOCABULARY + 2, HIDDEN),
        "embed_tokens.weight, which the base has no place for",
    ),
    "embeddings": (
        with_extra("base_model.model.model.embed_tokens.lora_embedding_A", 4, VOCABULARY),
        "no place for",
    ),
    "head": (with_extra("base_model.model.lm_head.lora_A.weight", 4, HIDDEN), "no place for"),
    "classifier": (
        with_extra("base_model.model.score.weight", 2, HIDDEN, task_type="SEQ_CLS"),
        "no place for",
    ),
    "lycoris": (
        lambda f: write_adapter(f, lora_tensors(prefix="lora_unet_x.")),
        "which the base has no place for",
    ),
    "modules to save": (lambda f: write_adapter(f, modules_to_save=["lm_head"]), "modules_to_save"),
    "dora": (lambda f: write_adapter(f, use_dora=True), "DoRA"),
    "pissa": (lambda f: write_adapter(f, init_lora_weights="pissa"), "pissa"),
    "alora": (lambda f: write_adapter(f, alora_invocation_tokens=[1, 2]), "activated LoRA"),
    "biases": (lambda f: write_adapter(f, bias="lora_only"), "trained biases"),
    "adalora": (lambda f: write_adapter(f, peft_type="ADALORA"), "peft_type ADALORA"),
    "ia3": (
        lambda f: write_adapter(f, peft_type="IA3", without=["r", "lora_alpha"]),
        "peft_type IA3",
    ),
    "prompt tuning": (
        lambda f: write_adapter(
            f,
            {"prompt_embeddings": np.ones((8, HIDDEN), np.float32)},
            peft_type="PROMPT_TUNING",
            num_virtual_tokens=8,
            without=["r", "lora_alpha", "target_modules"],
        ),
        "it uses peft_type PROMPT_TUNING",
    ),
    "one side": (
        lambda f: write_adapter(f, {k: v for k, v in lora_tensors().items() if "lora_A" in k}),
        "and B None",
    ),
    "whole model": (
        lambda f: _whole_model(write_adapter(f)),
        "it is a whole model, and no adapter",
    ),
    "mlx": (lambda f: _mlx(write_adapter(f)), "it is MLX's, in adapters.safetensors"),
}


def _whole_model(folder: Path) -> Path:
    (folder / WEIGHTS_FILE).rename(folder / "model-00001-of-00002.safetensors")
    (folder / CONFIG_FILE).rename(folder / "config.json")
    return folder


def _mlx(folder: Path) -> Path:
    (folder / WEIGHTS_FILE).rename(folder / "adapters.safetensors")
    return folder
