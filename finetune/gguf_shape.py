"""What of a base's shape its GGUF names and its GGUF rows depend on."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .errors import BaseUnusable
from .gguf_file import GgufFile

# transformers' model types and llama.cpp's architectures. Both mistral and llama are "llama" there.
ARCHITECTURES = {
    "llama": "llama",
    "mistral": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "gemma": "gemma",
    "gemma2": "gemma2",
    "gemma3_text": "gemma3",
}
TURNED = frozenset({"llama"})  # whose rows of q and k llama.cpp orders in another way
PROJECTIONS = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)


@dataclass(frozen=True)
class GgufShape:
    architecture: str  # llama.cpp's name for it
    num_layers: int
    num_heads: int
    num_kv_heads: int

    @classmethod
    def of_config(cls, config: dict[str, Any]) -> "GgufShape":
        """Of a Hugging Face `config.json`. Raises BaseUnusable for another architecture."""
        kind = str(config.get("model_type"))
        if kind not in ARCHITECTURES:
            raise BaseUnusable(_unknown(kind, sorted(ARCHITECTURES)))
        heads = config["num_attention_heads"]
        return cls(
            ARCHITECTURES[kind],
            config["num_hidden_layers"],
            heads,
            config.get("num_key_value_heads") or heads,
        )

    @classmethod
    def of_gguf(cls, gguf: GgufFile) -> "GgufShape":
        """Raises BaseUnusable for another architecture, GgufInvalid."""
        kind = gguf.text("general.architecture")
        if kind not in ARCHITECTURES.values():
            raise BaseUnusable(_unknown(kind, sorted(set(ARCHITECTURES.values()))))
        heads = gguf.count(f"{kind}.attention.head_count")
        kv_key = f"{kind}.attention.head_count_kv"
        kv_heads = gguf.count(kv_key) if kv_key in gguf.metadata else heads
        return cls(kind, gguf.count(f"{kind}.block_count"), heads, kv_heads)

    @cached_property
    def names(self) -> dict[str, str]:
        """Each linear layer's GGUF tensor by the name of its weight in transformers."""
        modules = (
            f"model.layers.{layer}.{projection}"
            for layer in range(self.num_layers)
            for projection in PROJECTIONS
        )
        return {f"{module}.weight": self.name_of(module) for module in modules}

    def name_of(self, module: str) -> str:
        """A module's weight as GGUF names it. Raises KeyError for what it has no name for."""
        name = self._names.get_name(module)
        if name is None:
            raise KeyError(module)
        return f"{name}.weight"

    @cached_property
    def _names(self) -> Any:
        from gguf import MODEL_ARCH_NAMES, get_tensor_name_map

        arch = next(arch for arch, name in MODEL_ARCH_NAMES.items() if name == self.architecture)
        return get_tensor_name_map(arch, self.num_layers)

    def turned_heads(self, module: str) -> int | None:
        """The number of heads whose rows llama.cpp has in another order; None: the same order."""
        if self.architecture not in TURNED:
            return None
        return {"q_proj": self.num_heads, "k_proj": self.num_kv_heads}.get(
            module.removesuffix(".weight").rpartition(".")[2]
        )


def _unknown(kind: str, known: list[str]) -> str:
    return f"GGUF bases of the architecture {kind!r} are not known here; {', '.join(known)} are."
