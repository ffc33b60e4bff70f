"""Random adapters for any base of the llama architecture, as PEFT folders and as GGUF files.

They are no use to anybody, but they cost what trained ones cost, and each answers differently.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from finetune.adapters.files import CONFIG_FILE, WEIGHTS_FILE
from finetune.adapters.gguf import read_peft, write_gguf_lora
from finetune.bases.gguf_shape import GgufShape
from finetune.bases.projections import projection_sizes

SEED = 20
ALPHA = 32
# Times 1/√rank it is the standard deviation of B, whatever the rank: answers change and stay text.
STRENGTH = 0.2

Array = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a base's configuration the sizes of its seven linear projections follow from."""

    num_layers: int
    hidden_size: int
    intermediate_size: int
    num_heads: int
    num_kv_heads: int
    head_dim: int

    @property
    def projections(self) -> dict[str, tuple[int, int]]:
        """Module name in a layer to (in, out)."""
        sizes = projection_sizes(self)
        return {name: (num_in, num_out) for name, (num_out, num_in) in sizes.items()}


def read_shape(base: Path) -> Shape:
    config: dict[str, Any] = json.loads((base / "config.json").read_text(encoding="utf-8"))
    hidden, num_heads = config["hidden_size"], config["num_attention_heads"]
    return Shape(
        num_layers=config["num_hidden_layers"],
        hidden_size=hidden,
        intermediate_size=config["intermediate_size"],
        num_heads=num_heads,
        num_kv_heads=config["num_key_value_heads"],
        head_dim=config.get("head_dim") or hidden // num_heads,
    )


def make_adapters(home: Path, base: Path, *, count: int = 8, rank: int = 16) -> dict[str, Path]:
    """Write the adapters a1, a2, … under `home/adapters` and return their PEFT folders by name.

    The same arguments give the same weights; what stands there under these names is overwritten.
    """
    from safetensors.numpy import save_file

    shape = read_shape(base)
    folders = {f"a{n}": home / "adapters" / f"a{n}" / "1" for n in range(1, count + 1)}
    for number, folder in enumerate(folders.values(), 1):
        folder.mkdir(parents=True, exist_ok=True)
        tensors = dict(_random_tensors(shape, rank, np.random.default_rng([SEED, number])))
        save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})
        config = _peft_config(rank, base.name, list(shape.projections))
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2), encoding="utf-8")
    return folders


def write_gguf(adapter: Path, base: Path, path: Path) -> Path:
    """Write a PEFT folder as the GGUF file that llama.cpp reads."""
    config: dict[str, Any] = json.loads((base / "config.json").read_text(encoding="utf-8"))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_gguf_lora(read_peft(adapter), GgufShape.of_config(config), path)
    return path


def _random_tensors(
    shape: Shape, rank: int, generator: np.random.Generator
) -> Iterator[tuple[str, Array]]:
    for layer in range(shape.num_layers):
        for module, (num_in, num_out) in shape.projections.items():
            prefix = f"base_model.model.model.layers.{layer}.{module}"
            bound = 1 / math.sqrt(num_in)  # PEFT's: Kaiming-uniform with a = √5
            a = generator.random((rank, num_in), dtype=np.float32) * (2 * bound) - bound
            b = generator.standard_normal((num_out, rank), dtype=np.float32)
            yield f"{prefix}.lora_A.weight", a.astype(np.float32)
            yield f"{prefix}.lora_B.weight", b * np.float32(STRENGTH / math.sqrt(rank))


def _peft_config(rank: int, base_id: str, modules: list[str]) -> dict[str, Any]:
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_id,
        "r": rank,
        "lora_alpha": ALPHA,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "target_modules": [module.rpartition(".")[2] for module in modules],
    }
