"""What serving a base takes of memory, and reads for a token, reckoned from its shape."""

from finetune.bases.shape import Shape
from finetune.hardware import GIB, PROGRAM_BYTES, WEIGHT_BYTES, Precision

from .forms.build import Form, TorchEngineConfig, cache_dtype, num_blocks
from .linear import GRANULE
from .paged_cache import bytes_per_block

UNPACKED: dict[Precision, Precision] = {"nf4": "bf16", "int4": "int8"}
STORED = 2  # [bytes] of a number in the embedding, which stays as it is in the file


def serving_bytes(
    shape: Shape, context_length: int, precision: Precision, config: TorchEngineConfig
) -> int:
    """The bytes that serving takes, with keys, values and adapters for as many requests as the
    options allow."""
    block = bytes_per_block(shape, cache_dtype(precision, config.device))
    cache = block * num_blocks(block, context_length, config)
    adapted = sum(rows + columns for rows, columns in shape.projections.values())
    stacks = config.max_rows * GRANULE * shape.num_layers * adapted * _unpacked(precision)
    embedding = STORED * shape.table_size
    held = read_bytes(shape, precision) + stacks + cache
    return round(PROGRAM_BYTES[config.device] + embedding + held)


def shortage(
    shape: Shape, context_length: int, form: Form, config: TorchEngineConfig, free_bytes: int
) -> str | None:
    """What to do where so much memory is free to this process and serving may take more."""

    def needed(precision: Precision) -> int:
        own = serving_bytes(shape, context_length, precision, config)
        return own - PROGRAM_BYTES[config.device]

    if needed(form.precision) <= free_bytes:
        return None
    told = (
        f"Serving this base in {form.precision} may take {needed(form.precision) / GIB:.1f} GiB, "
        f"{free_bytes / GIB:.1f} GiB are free, and where memory runs out the system ends the "
        "server. A smaller --context, --max-batch or --kv-memory takes less"
    )
    if form.library is not None and form.precision == "int8":
        told += f", and --precision int4 takes {needed('int4') / GIB:.1f} GiB"
    return f"{told}."


def read_bytes(shape: Shape, precision: Precision) -> float:
    """The bytes of weights that are read for each token of a single stream."""
    projected = shape.num_projected * WEIGHT_BYTES[precision]
    return projected + shape.table_size * _unpacked(precision)


def _unpacked(precision: Precision) -> float:
    """The bytes of a number of what four bits leave wider: the adapters, and the product with the
    vocabulary."""
    return WEIGHT_BYTES[UNPACKED.get(precision, precision)]
