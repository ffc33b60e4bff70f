"""What an engine computes with, by precision and device."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from data.wording import _
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
from serving.torch.native.int4 import Int4
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
def numbers_for(precision: Precision, device: str, library: Library | None = None) -> Numbers:
    """Raises EngineUnsupported where nothing is compiled, for int8 if torch's products of it are
    wrong, and for int4 always."""
    import torch

    if precision == "int4":
        if library is None:
            raise EngineUnsupported(_no_int4(device))
        return Numbers(Int4(library=library), torch.float32, torch.float16)
    if precision == "int8":
        limit = WHOLE if library is not None else exact_limit() if device == "cpu" else None
        if limit is None:
            raise EngineUnsupported(
                f"int8 products are not exact on this {device}. Serve with --precision fp32."
            )
        return Numbers(Int8(limit), torch.float32, torch.float16)
    wide = cache_dtype(precision, device)
    return Numbers(Nf4(wide) if precision == "nf4" else Dense(wide), wide, wide)


def _no_int4(device: str) -> str:
    if device != "cpu":
        return _("int4 is for a CPU. Serve with --precision nf4.")
    return _(
        "Weights in int4 are multiplied by compiled code alone, and none can be used here; where "
        "the log does not say why, a C++ compiler is missing (apt install g++), or --no-compile is "
        "given. Or serve with --precision int8."
    )


def cache_dtype(precision: Precision, device: str) -> Any:
    """The type of keys and values; where weights are not whole numbers, of activations, too."""
    import torch

    if precision in ("int4", "int8"):
        return torch.float16
    is_half = precision == "bf16" or (device == "cuda" and precision != "fp32")
    return torch.bfloat16 if is_half else torch.float32


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
    numbers = numbers_for(form.precision, config.device, form.library)
    decoder = Decoder(folder, architecture, numbers.kind, numbers.dtype, config.device)
    linears = [layer.linears for layer in decoder.layers]
    encoder = Encoder(architecture, numbers.kind, config.device, confirm)
    bank = AdapterBank(encoder, linears, config.max_rows, config.adapter_bytes)
    if form.library is not None:
        use(form.library, decoder, bank)
    else:
        bank.stacks(bank.num_granules)  # now, not with the first request
    block = bytes_per_block(architecture, numbers.cache_dtype)
    count = num_blocks(block, architecture.context_length, config)
    cache = PagedCache(architecture, count, numbers.cache_dtype, config.device)
    return Parts(form, decoder, bank, cache, BlockPool(count))


def num_blocks(block_bytes: int, context_length: int, config: TorchEngineConfig) -> int:
    """How many blocks of keys and values to have: as many as there is memory and use for, at least
    for one request."""
    each = num_blocks_for(min(context_length, config.context_length or context_length))
    return max(each, min(config.kv_bytes // block_bytes, config.max_rows * each))
