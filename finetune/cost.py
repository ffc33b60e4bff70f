"""What a run takes of memory and time, reckoned from a base's shape: nothing is loaded.

What is kept for the backward pass is what the kernels say that they keep. `--dry-run` measures the
same with the base at hand.
"""

from dataclasses import dataclass

from .bases.shape import Shape
from .evaluation.sides import MOST_MERGED, comparing_precision
from .hardware import PROGRAM_BYTES, WEIGHT_BYTES, Precision, wide_precision
from .kernels.answer_head import CHUNK_BYTES
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


def run_bytes(shape: Shape, config: TrainConfig, conditions: Conditions) -> int:
    """The bytes of a run at the highest: while it trains, or when base and adapter are compared in
    the end."""
    return max(
        training_bytes(shape, config, conditions), comparing_bytes(shape, config, conditions)
    )


def training_bytes(shape: Shape, config: TrainConfig, conditions: Conditions) -> int:
    """The bytes of training with micro-batches as large as the options allow."""
    wide = WEIGHT_BYTES[conditions.wide]
    chosen = config.quantize
    held = WEIGHT_BYTES[wide_precision(conditions.device) if chosen == "none" else chosen]
    largest = max(rows * columns for rows, columns in shape.projections.values())
    numbers = (
        shape.num_tables * shape.table_size
        + config.micro_batch_tokens * _kept(shape, config, conditions)
        + 2 * largest  # a weight made dense again, in its type and in this one
    )
    return round(
        PROGRAM_BYTES[conditions.device]
        + shape.num_projected * held
        + num_adapted(shape, config) * ADAPTER_BYTES
        + numbers * wide
        + 2 * CHUNK_BYTES  # logits, and what comes of them
    )


def comparing_bytes(shape: Shape, config: TrainConfig, conditions: Conditions) -> int:
    """The bytes of a comparison: of the base in full, twice where it is small, or in 4 bits where
    it is large; and the logits of a batch."""
    device = conditions.device
    precision = comparing_precision(shape, device, conditions.memory_bytes)
    wide = WEIGHT_BYTES[wide_precision(device)]
    whole = shape.num_parameters * wide
    packed = shape.num_projected * (wide - WEIGHT_BYTES[precision])
    copies = 2 if precision == "fp32" and whole <= MOST_MERGED else 1
    logits = TRAINED * config.micro_batch_tokens * shape.vocab_size
    return round(PROGRAM_BYTES[device] + copies * (whole - packed) + logits * (wide + 4))


def training_rate(
    shape: Shape, config: TrainConfig, conditions: Conditions, operations: float
) -> float:
    """[tokens/s], where products alone do so many float operations a second."""
    passes = PASSES + AGAIN * config.is_checkpointed(conditions.device)
    each = passes * shape.num_projected + PASSES * TRAINED * shape.table_size
    return REACHED * operations / each


def num_adapted(shape: Shape, config: TrainConfig) -> int:
    """Weights of the adapter."""
    wanted = config.target_modules
    sizes = [
        rows + columns
        for name, (rows, columns) in shape.projections.items()
        if wanted == "all-linear" or name.rpartition(".")[2] in wanted
    ]
    return shape.num_layers * config.rank * sum(sizes)


def _kept(shape: Shape, config: TrainConfig, conditions: Conditions) -> int:
    """Numbers that a token leaves behind for the backward pass."""
    queries, keys = shape.num_heads * shape.head_dim, shape.num_kv_heads * shape.head_dim
    norms = 4 * shape.hidden_size  # what both take, and what they give to the projections
    attention = 2 * (queries + keys)  # what it takes, and what it gives
    inner = 3 * shape.intermediate_size  # gate, up, and their product
    layer = norms + attention + inner + len(shape.projections) * config.rank
    if config.is_checkpointed(
        conditions.device
    ):  # what each layer takes, and one of them computed again
        return shape.num_layers * shape.hidden_size + 2 * layer
    return shape.num_layers * layer
