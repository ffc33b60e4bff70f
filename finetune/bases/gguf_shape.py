"""What of a base's shape its GGUF names and its GGUF rows depend on."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from finetune.errors import BaseUnusable, GgufInvalid

from .gguf_file import GgufFile
from .projections import projection_sizes

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


@dataclass(frozen=True)
class GgufShape:
    architecture: str  # llama.cpp's name for it
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    hidden_size: int
    intermediate_size: int

    @classmethod
    def of_config(cls, config: dict[str, Any]) -> "GgufShape":
        """Shape of a Hugging Face `config.json`. Raises BaseUnusable for another architecture."""
        kind = str(config.get("model_type"))
        if kind not in ARCHITECTURES:
            raise BaseUnusable(_unknown(kind, sorted(ARCHITECTURES)))
        heads, hidden = config["num_attention_heads"], config["hidden_size"]
        return cls(
            ARCHITECTURES[kind],
            config["num_hidden_layers"],
            heads,
            config.get("num_key_value_heads") or heads,
            config.get("head_dim") or hidden // heads,
            hidden,
            config["intermediate_size"],
        )

    @classmethod
    def of_gguf(cls, gguf: GgufFile) -> "GgufShape":
        """Raises BaseUnusable for another architecture, GgufInvalid."""
        kind = gguf.text("general.architecture")
        if kind not in ARCHITECTURES.values():
            raise BaseUnusable(_unknown(kind, sorted(set(ARCHITECTURES.values()))))
        layers, heads = (
            gguf.count(f"{kind}.block_count"),
            gguf.count(f"{kind}.attention.head_count"),
        )
        if layers > len(gguf.tensors):
            raise GgufInvalid(f"{gguf.path} claims {layers} layers and does not hold them.")
        hidden = gguf.count(f"{kind}.embedding_length")

        def or_else(key: str, default: int) -> int:
            return gguf.count(key) if key in gguf.metadata else default

        return cls(
            kind,
            layers,
            heads,
            or_else(f"{kind}.attention.head_count_kv", heads),
            or_else(f"{kind}.attention.key_length", hidden // heads),
            hidden,
            gguf.count(f"{kind}.feed_forward_length"),
        )

    @cached_property
    def modules(self) -> dict[str, tuple[int, int]]:
        """Each linear layer as transformers names it, with its (out, in) features."""
        return {
            f"model.layers.{layer}.{projection}": sizes
            for layer in range(self.num_layers)
            for projection, sizes in self._sizes.items()
        }

    @cached_property
    def names(self) -> dict[str, str]:
        """Each linear layer's GGUF tensor by the name of its weight in transformers."""
        return {f"{module}.weight": self.name_of(module) for module in self.modules}

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

    def sizes_of(self, name: str) -> tuple[int, int]:
        """(out, in) features of the linear layer with a weight of this name in transformers."""
        return self._sizes[name.removesuffix(".weight").split(".", 3)[3]]

    @cached_property
    def _sizes(self) -> dict[str, tuple[int, int]]:
        return projection_sizes(self)

    def turned_heads(self, module: str) -> int | None:
        """The number of heads whose rows llama.cpp has in another order; None: the same order."""
        if self.architecture not in TURNED:
            return None
        return {"q_proj": self.num_heads, "k_proj": self.num_kv_heads}.get(
            module.removesuffix(".weight").rpartition(".")[2]
        )


def _unknown(kind: str, known: list[str]) -> str:
    return f"GGUF bases of the architecture {kind!r} are not known here; {', '.join(known)} are."
