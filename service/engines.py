"""The base and the engine that a server's settings mean."""

import logging
from dataclasses import dataclass
from typing import Any

from data.chat import Tokenizer
from finetune.adapters.fit import Fit
from finetune.bases.base import Base, find_base, kept_gguf
from finetune.bases.gguf_base import GgufBase, find_gguf_base
from finetune.bases.linear_layers import linear_layers
from finetune.hardware import pick_device
from serving.adapters.store import AdapterStore
from serving.engine import Engine
from serving.llamacpp.binding import install_command, is_installed, load_binding
from serving.llamacpp.engine import LlamaCppEngine, LlamaEngineConfig
from serving.torch.engine import TorchEngine
from serving.torch.forms.build import TorchEngineConfig
from serving.vllm.engine import VllmEngine
from serving.vllm.fleet import VllmConfig
from serving.vllm.process.own import OwnConfig

from .settings import ServiceSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """What a server answers with."""

    base_id: str
    tokenizer: Tokenizer
    store: AdapterStore
    engine: Engine


def open_engine(settings: ServiceSettings) -> Served:
    """Find the base; its engine is yet to be started.

    Raises FinetuneError for the base, EngineUnsupported for what the engine does not run.
    """
    if settings.engine == "vllm":
        return _open_vllm(settings)
    return _open_llamacpp(settings) if _is_llamacpp(settings) else _open_torch(settings)


def _is_llamacpp(settings: ServiceSettings) -> bool:
    if settings.engine != "auto":
        return settings.engine == "llamacpp"
    if kept_gguf(settings.base, settings.home) is None:
        return False
    if not is_installed():
        logger.info(
            "llama-cpp-python is not installed, so %s is converted and runs on the torch engine. "
            "To run it as it is: %s",
            settings.base,
            install_command(),
        )
        return False
    return settings.precision == "auto"  # a precision can only be had of the torch engine


def _open_torch(settings: ServiceSettings) -> Served:
    base, device = find_base(settings.base, settings.home), pick_device()
    store = _open_store(base, settings)
    config = TorchEngineConfig(
        precision=settings.precision,
        device=device,
        **_limits(settings),
        compiled=settings.home / "compiled" if settings.compile else None,
    )
    engine = TorchEngine(base.folder, base.tokenizer, config, store.confirm)
    logger.info("Loading %s on %s", base.id, device)
    return Served(base.id, base.tokenizer, store, engine)


def _open_llamacpp(settings: ServiceSettings) -> Served:
    load_binding()  # whoever lacks it is told before anything slow happens
    base = find_gguf_base(settings.base, settings.home)
    store = _open_store(base, settings)
    config = LlamaEngineConfig(
        **_limits(settings),
    )
    engine = LlamaCppEngine(base, config, store.confirm)
    logger.info("Loading %s with llama.cpp", base.path.name)
    return Served(base.id, base.tokenizer, store, engine)


def _open_vllm(settings: ServiceSettings) -> Served:
    base = find_base(settings.base, settings.home)
    store = _open_store(base, settings)
    config = VllmConfig(
        settings.vllm,
        _first_layer(base),
        settings.home / "vllm",
        settings.vllm_key,
        settings.context_length,
        settings.max_batch + settings.max_waiting,
        _own_vllm(base, settings),
    )
    engine = VllmEngine(base.tokenizer, base.vocab_size, config, store.confirm)
    logger.info("vLLM computes with %s", base.id)
    return Served(base.id, base.tokenizer, store, engine)


def _own_vllm(base: Base, settings: ServiceSettings) -> OwnConfig | None:
    if settings.vllm_command is None:
        return None
    return OwnConfig(
        settings.vllm_command,
        base.folder,
        settings.home / "vllm" / "server.log",
        settings.vllm_slots,
        settings.vllm_rank,
        settings.context_length,
        settings.vllm_arguments,
    )


def _first_layer(base: Base) -> tuple[str, tuple[int, int]]:
    """One that every server of this base takes an adapter for. Raises BaseUnusable."""
    layers = linear_layers(base)
    ends = (".layers.0.self_attn.q_proj", ".layers.0.self_attn.o_proj", "")
    name = next(each for end in ends for each in layers if each.endswith(end))
    return name, layers[name]


def _limits(settings: ServiceSettings) -> dict[str, Any]:
    """The `EngineLimits` of either engine."""
    return {
        "max_rows": settings.max_batch,
        "max_waiting": settings.max_waiting,
        "context_length": settings.context_length,
        "kv_bytes": settings.kv_bytes,
        "adapter_bytes": settings.adapter_bytes,
    }


def _open_store(base: Base | GgufBase, settings: ServiceSettings) -> AdapterStore:
    fit = Fit(base, accepts_names=settings.accept_base)
    return AdapterStore(settings.home / "adapters", base.fingerprint, fit)
