"""What a run takes of memory and time, reckoned from a base's shape: nothing is loaded.

What is kept for the backward pass is what the kernels say that they keep. `--dry-run` measures the
same with the base at hand.
"""

from dataclasses import dataclass

from .bases.shape import Shape
from .evaluation.sides import MOST_MERGED, comparing_precision
from .hardware import CHUNK_BYTES, PROGRAM_BYTES, WEIGHT_BYTES, Precision, wide_precision
from .training.config import TrainConfig

ADAPTER_BYTES = 16  # a weight, its gradient and AdamW's two moments, in float32
TRAINED = 0.6  # of all tokens; only these are multiplied with the vocabulary
PASSES = 4  # float operations for a weight and token: forward, and backward to the inputs
AGAIN = 2  # more of them where activations are checkpointed
REACHED = 0.4  # of what products alone reach: 16 tokens a second where 41 were possible


@dataclass(frozen=True, slots=True)
class Conditions:
    """Where a run takes place."""

    device: str
    wide: Precision  # of embeddings and activations while it trains
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class RunCost:
    """A run's memory and pace, on a base and by options, where it takes place."""

    shape: Shape
    config: TrainConfig
    conditions: Conditions

    @property
    def run_bytes(self) -> int:
        """The bytes of a run at the highest: while it trains, or when base and adapter are compared
        in the end."""
        return max(self.training_bytes, self.comparing_bytes)

    @property
    def training_bytes(self) -> int:
        """The bytes of training with micro-batches as large as the options allow."""
        device, shape = self.conditions.device, self.shape
        chosen = self.config.quantize
        held = WEIGHT_BYTES[wide_precision(device) if chosen == "none" else chosen]
        largest = max(rows * columns for rows, columns in shape.projections.values())
        numbers = (
            shape.num_tables * shape.table_size
            + self.config.micro_batch_tokens * self._kept
            + 2 * largest  # a weight made dense again, in its type and in this one
        )
        return round(
            PROGRAM_BYTES[device]
            + shape.num_projected * held
            + self.num_adapted * ADAPTER_BYTES
            + numbers * WEIGHT_BYTES[self.conditions.wide]
            + 2 * CHUNK_BYTES  # logits, and what comes of them
        )

    @property
    def comparing_bytes(self) -> int:
        """The bytes of a comparison: of the base in full, twice where it is small, or in 4 bits
        where it is large; and the logits of a batch."""
        device, shape = self.conditions.device, self.shape
        precision = comparing_precision(shape.num_parameters, device, self.conditions.memory_bytes)
        wide = WEIGHT_BYTES[wide_precision(device)]
        whole = shape.num_parameters * wide
        packed = shape.num_projected * (wide - WEIGHT_BYTES[precision])
        copies = 2 if precision == "fp32" and whole <= MOST_MERGED else 1
        logits = TRAINED * self.config.micro_batch_tokens * shape.vocab_size
        return round(PROGRAM_BYTES[device] + copies * (whole - packed) + logits * (wide + 4))

    def training_rate(self, operations: float) -> float:
        """[tokens/s], where products alone do so many float operations a second."""
        passes = PASSES + AGAIN * self._is_checkpointed
        trained = PASSES * TRAINED * self.shape.table_size
        return REACHED * operations / (passes * self.shape.num_projected + trained)

    @property
    def num_adapted(self) -> int:
        """Weights of the adapter."""
        wanted = self.config.target_modules
        sizes = [
            rows + columns
            for name, (rows, columns) in self.shape.projections.items()
            if wanted == "all-linear" or name.rpartition(".")[2] in wanted
        ]
        return self.shape.num_layers * self.config.rank * sum(sizes)

    @property
    def _is_checkpointed(self) -> bool:
        return self.config.is_checkpointed(self.conditions.device)

    @property
    def _kept(self) -> int:
        """Numbers that a token leaves behind for the backward pass."""
        shape = self.shape
        queries, keys = shape.num_heads * shape.head_dim, shape.num_kv_heads * shape.head_dim
        norms = 4 * shape.hidden_size  # what both take, and what they give to the projections
        attention = 2 * (queries + keys)  # what it takes, and what it gives
        inner = 3 * shape.intermediate_size  # gate, up, and their product
        layer = norms + attention + inner + len(shape.projections) * self.config.rank
        if self._is_checkpointed:  # what each layer takes, and one of them computed again
            return shape.num_layers * shape.hidden_size + 2 * layer
        return shape.num_layers * layer
