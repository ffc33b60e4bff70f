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

from finetune.lora import CONFIG_FILE, WEIGHTS_FILE, read_lora

SEED = 20
ALPHA = 32
# Times 1/√rank it is the standard deviation of B, whatever the rank: answers change and stay text.
STRENGTH = 0.2

Array = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a base's configuration the sizes of its seven linear projections follow from."""

    num_layers: int
    hidden: int
    intermediate: int
    num_heads: int
    num_kv_heads: int
    head_dim: int

    @property
    def projections(self) -> dict[str, tuple[int, int]]:
        """Module name in a layer to (in, out)."""
        query, key = self.num_heads * self.head_dim, self.num_kv_heads * self.head_dim
        return {
            "self_attn.q_proj": (self.hidden, query),
            "self_attn.k_proj": (self.hidden, key),
            "self_attn.v_proj": (self.hidden, key),
            "self_attn.o_proj": (query, self.hidden),
            "mlp.gate_proj": (self.hidden, self.intermediate),
            "mlp.up_proj": (self.hidden, self.intermediate),
            "mlp.down_proj": (self.intermediate, self.hidden),
        }


def read_shape(base: Path) -> Shape:
    config: dict[str, Any] = json.loads((base / "config.json").read_text(encoding="utf-8"))
    hidden, num_heads = config["hidden_size"], config["num_attention_heads"]
    return Shape(
        num_layers=config["num_hidden_layers"],
        hidden=hidden,
        intermediate=config["intermediate_size"],
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
    """Write a PEFT folder of plain LoRA with one rank as the GGUF file that llama.cpp reads."""
    from gguf import MODEL_ARCH, GGUFType, GGUFWriter, Keys, get_tensor_name_map
    from safetensors.numpy import load_file

    shape, settings = read_shape(base), read_lora(adapter)
    names = get_tensor_name_map(MODEL_ARCH.LLAMA, shape.num_layers)
    heads = {"q_proj": shape.num_heads, "k_proj": shape.num_kv_heads}
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = GGUFWriter(path, "llama")
    writer.add_type(GGUFType.ADAPTER)
    writer.add_string(Keys.Adapter.TYPE, "lora")
    writer.add_float32(Keys.Adapter.LORA_ALPHA, settings.lora_alpha)
    for key, tensor in load_file(adapter / WEIGHTS_FILE).items():
        module, _, side = key.removeprefix("base_model.model.").rpartition(".lora_")
        kind = module.rpartition(".")[2]
        turned = side == "B.weight" and kind in heads
        weight = interleave_halves(tensor, heads[kind]) if turned else tensor
        writer.add_tensor(f"{names.get_name(module)}.weight.lora_{side[0].lower()}", weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def interleave_halves(weight: Array, num_heads: int) -> Array:
    """Reorder the rows of q or k: rotary positions turn pairs of rows, and the pairs differ.

    transformers pairs row i of a head with row i + half, llama.cpp row 2i with row 2i + 1:
    a head's rows  [ a0 a1 … | b0 b1 … ]  become  [ a0 b0 a1 b1 … ].
    """
    rows, columns = weight.shape
    halves = weight.reshape(num_heads, 2, rows // num_heads // 2, columns)
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(rows, columns)


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
