"""What a run takes of a device's memory, reckoned from its options before anything is loaded."""

from pathlib import Path
from typing import Any

from .bases.base import Base
from .bases.gguf_base import GgufBase, find_any_base
from .bases.shape import Shape
from .cost import Conditions, RunCost
from .errors import FinetuneError
from .hardware import Memory, compute_precision
from .training.config import load_config
from .training.going_on.parent import find_parent

OUTPUT = "output.weight"  # of a GGUF file whose product with the vocabulary is a table of its own

# The options that a run's memory depends on.
COUNTED = (
    *("from_adapter", "rank", "target_modules", "quantize"),
    *("micro_batch_tokens", "gradient_checkpointing"),
)


class Reckoning:
    """Belongs to one base, whose shape it reads once."""

    def __init__(self, base: str, home: Path) -> None:
        self._base = base
        self._home = home
        self._shape: Shape | None = None
        self._is_read = False

    def run_bytes(self, options: dict[str, Any], memory: Memory) -> int | None:
        """The bytes of a run at the highest; None where that cannot be told: its base is of a
        family that is trained through PEFT's layers, say, or something is wrong with its options,
        which the run itself says."""
        try:
            counted = {key: options[key] for key in COUNTED if key in options}
            config = load_config(None, {**counted, "base": self._base})
            config = find_parent(config, self._home / "adapters")[1]
            shape = self._read_shape()
        except FinetuneError:
            return None
        wide = compute_precision(memory.device)
        conditions = Conditions(memory.device, wide, memory.total_bytes)
        return None if shape is None else RunCost(shape, config, conditions).run_bytes

    def _read_shape(self) -> Shape | None:
        if not self._is_read:
            self._shape = shape_of(find_any_base(self._base, self._home))
            self._is_read = True
        return self._shape


def shape_of(base: Base | GgufBase) -> Shape | None:
    """None for another family. Raises BaseUnusable."""
    if isinstance(base, Base):
        return Shape.of_config(base.config)
    found = base.shape
    sizes = {
        "model_type": found.architecture,
        "num_hidden_layers": found.num_layers,
        "hidden_size": found.hidden_size,
        "intermediate_size": found.intermediate_size,
        "num_attention_heads": found.num_heads,
        "num_key_value_heads": found.num_kv_heads,
        "head_dim": found.head_dim,
        "vocab_size": base.vocab_size,
        "tie_word_embeddings": OUTPUT not in base.gguf.tensors,
    }
    return Shape.of_config(sizes)
