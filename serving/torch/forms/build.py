"""What an engine computes with, by precision and device."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from finetune.hardware import Precision
from serving.engine import EngineLimits, ServedPrecision
from serving.errors import EngineUnsupported
from serving.requests.sequence import num_blocks_for
from serving.torch.architecture import Architecture
from serving.torch.bank import AdapterBank
from serving.torch.blocks import BlockPool
from serving.torch.decoder import Decoder
from serving.torch.encoder import Confirm, Encoder
from serving.torch.linear import WHOLE, Dense, Int8, LinearKind, Nf4, exact_limit
from serving.torch.native.forward import use
from serving.torch.native.library import Library
from serving.torch.paged_cache import PagedCache, bytes_per_block


@dataclass(frozen=True, slots=True)
class TorchEngineConfig(EngineLimits):
    precision: ServedPrecision = "fp32"
    device: str = "cpu"
    compiled: Path | None = None  # where compiled code is kept; None: compile nothing


@dataclass(frozen=True, slots=True)
class Numbers:
    """How a precision holds weights, activations, keys and values."""

    kind: LinearKind
    dtype: Any
    cache_dtype: Any  # of keys and values


@dataclass(frozen=True, slots=True)
class Form:
    """How a base's weights are held, and what computes with them: compiled code, or eager."""

    precision: Precision
    library: Library | None = None

    def __str__(self) -> str:
        return f"{self.precision}, {self.library.kernel}" if self.library else self.precision


@cache
def numbers_for(precision: Precision, device: str, is_compiled: bool = False) -> Numbers:
    """Raises EngineUnsupported for int8 where torch's products of it are wrong and nothing is
    compiled."""
    import torch

    if precision == "int8":
        limit = WHOLE if is_compiled else exact_limit() if device == "cpu" else None
        if limit is None:
            raise EngineUnsupported(
                f"int8 products are not exact on this {device}. Serve with --precision fp32."
            )
        return Numbers(Int8(limit), torch.float32, torch.float16)
    wide = torch.bfloat16 if precision == "bf16" or device == "cuda" else torch.float32
    if precision == "fp32":
        wide = torch.float32
    return Numbers(Nf4(wide) if precision == "nf4" else Dense(wide), wide, wide)


@dataclass(frozen=True, slots=True)
class Parts:
    """All that holds numbers, and so belongs to one form: weights, adapters, keys and values."""

    form: Form
    decoder: Decoder
    bank: AdapterBank
    cache: PagedCache
    pool: BlockPool


def build_parts(
    folder: Path,
    architecture: Architecture,
    form: Form,
    config: TorchEngineConfig,
    confirm: Confirm | None = None,
) -> Parts:
    """Load the base and make room for keys, values and adapters. Raises CompiledIsWrong."""
    numbers = numbers_for(form.precision, config.device, form.library is not None)
    decoder = Decoder(folder, architecture, numbers.kind, numbers.dtype, config.device)
    linears = [layer.linears for layer in decoder.layers]
    encoder = Encoder(architecture, numbers.kind, config.device, confirm)
    bank = AdapterBank(encoder, linears, config.max_rows, config.adapter_bytes)
    if form.library is not None:
        use(form.library, decoder, bank)
    block = bytes_per_block(architecture, numbers.cache_dtype)
    count = num_blocks(block, architecture.context_length, config)
    cache = PagedCache(architecture, count, numbers.cache_dtype, config.device)
    return Parts(form, decoder, bank, cache, BlockPool(count))


def num_blocks(block_bytes: int, context_length: int, config: TorchEngineConfig) -> int:
    """How many blocks of keys and values to have: as many as there is memory and use for, at least
    for one request."""
    each = num_blocks_for(min(context_length, config.context_length or context_length))
    return max(each, min(config.kv_bytes // block_bytes, config.max_rows * each))
