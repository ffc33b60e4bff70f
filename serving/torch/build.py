"""An engine's batch from its parts, by precision and device."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from finetune.hardware import is_int8_slow
from serving.errors import EngineUnsupported
from serving.requests.sequence import num_blocks_for

from .architecture import Architecture
from .bank import AdapterBank
from .blocks import BlockPool
from .decoder import Decoder
from .encoder import Confirm, Encoder
from .linear import Dense, Int8, Kind, Nf4, exact_limit
from .paged_cache import PagedCache, bytes_per_block
from .work import Batch

logger = logging.getLogger(__name__)

Precision = Literal["auto", "int8", "fp32", "bf16", "nf4"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
MOST_WIDE = 1 << 30  # [bytes] of a base that is held in fp32 to be faster


@dataclass(frozen=True, slots=True)
class TorchEngineConfig:
    precision: Precision = "fp32"
    device: str = "cpu"
    max_rows: int = 16  # requests computed together
    max_waiting: int = 256  # requests queued beyond them
    chunk_tokens: int = 256  # of prompts, computed in one step beside the running rows
    context_length: int | None = None  # [tokens]; the base's own if None
    kv_bytes: int = 2 << 30  # of keys and values; at least one request's full context
    adapter_bytes: int = 4 << 30  # of adapters in memory beyond those in use
    compiled: Path | None = None  # where compiled code is kept; None: compile nothing


@dataclass(frozen=True, slots=True)
class Numbers:
    """How a precision holds weights, activations, keys and values."""

    kind: Kind
    dtype: Any
    cache_dtype: Any  # of keys and values


def choose_precision(
    precision: Precision, device: str, num_parameters: int, features: Sequence[str]
) -> Precision:
    """What `auto` means for a base of this size on a CPU with these features.

    With AVX2 and without AVX-512 VNNI a small base is served in fp32: int8, compiled, takes a
    quarter of the memory, and makes 3.6 tokens/s beside 5.1 on one stream, 4.5 beside 17.8 on eight
    (SmolLM2-135M, two cores of a first-generation EPYC). Other processors have not been measured.
    """
    if precision != "auto":
        return precision
    if device == "cuda":
        return "nf4"
    if exact_limit() is None:
        logger.warning("int8 products are wrong on this CPU: serving in fp32, which is slower")
        return "fp32"
    if is_int8_slow(features) and 4 * num_parameters <= MOST_WIDE:
        logger.info("This CPU has no AVX-512 VNNI: fp32 is faster than int8 here")
        return "fp32"
    return "int8"


@cache
def numbers_for(precision: Precision, device: str) -> Numbers:
    """Raises EngineUnsupported for int8 where the processor computes it wrongly."""
    import torch

    if precision == "int8":
        limit = exact_limit() if device == "cpu" else None
        if limit is None:
            raise EngineUnsupported(
                f"int8 products are not exact on this {device}. Serve with --precision fp32."
            )
        if limit < 127:
            logger.warning("This CPU's int8 products saturate: weights are held in 7 bits")
        return Numbers(Int8(limit), torch.float32, torch.float16)
    wide = torch.bfloat16 if precision == "bf16" or device == "cuda" else torch.float32
    if precision == "fp32":
        wide = torch.float32
    return Numbers(Nf4(wide) if precision == "nf4" else Dense(wide), wide, wide)


def build_encoder(
    architecture: Architecture, config: TorchEngineConfig, confirm: Confirm | None = None
) -> Encoder:
    numbers = numbers_for(config.precision, config.device)
    return Encoder(architecture, numbers.kind, config.device, confirm)


def build_batch(
    folder: Path, architecture: Architecture, encoder: Encoder, config: TorchEngineConfig
) -> Batch:
    """Load the base and make room for keys, values and adapters."""
    numbers = numbers_for(config.precision, config.device)
    decoder = Decoder(folder, architecture, numbers.kind, numbers.dtype, config.device)
    linears = [layer.linears for layer in decoder.layers]
    bank = AdapterBank(encoder, linears, config.max_rows, config.adapter_bytes)
    context = min(architecture.context_length, config.context_length or architecture.context_length)
    num_blocks = max(
        num_blocks_for(context),
        min(
            config.kv_bytes // bytes_per_block(architecture, numbers.cache_dtype),
            config.max_rows * num_blocks_for(context),
        ),
    )
    cache = PagedCache(architecture, num_blocks, numbers.cache_dtype, config.device)
    return Batch(decoder, bank, cache, BlockPool(num_blocks), config.max_rows, config.chunk_tokens)
