"""One GGUF model in llama.cpp's memory, with the adapters and contexts that are made on it.

All of it belongs to one thread. Adapters are freed only when no context holds them: llama.cpp keeps
bare pointers, and would read freed memory.
"""

import ctypes
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.bases.gguf_base import GgufBase
from serving.errors import AdapterRefused, EngineFailed, EngineUnsupported

from .binding import Binding, install_command, load_binding
from .context import LlamaContext
from .threads import ThreadChoice

logger = logging.getLogger(__name__)

ALL_LAYERS = -1  # of them that a GPU takes, where llama.cpp was built for one
BYTES_PER_PASS = 300  # of weights, read in twenty times the time in which a head passes over a cell
CACHE_BYTES = 2  # of a key's or a value's number: F16


@dataclass(frozen=True, slots=True)
class ContextSize:
    num_cells: int  # [tokens] in all sequences together
    num_sequences: int
    num_batch: int  # [tokens] computed in one call


class LlamaModel:
    def __init__(self, base: GgufBase, num_threads: int) -> None:
        """Raises EngineUnsupported where llama.cpp is not there or cannot load the file."""
        self._binding: Binding = load_binding()
        self._num_threads = self.free_threads = num_threads  # free: of cores that others leave
        self._choices: dict[int, ThreadChoice] = {}  # by the number of adapters
        functions = self._binding.functions
        params = functions.llama_model_default_params()
        params.n_gpu_layers = ALL_LAYERS
        if not self._binding.repacks_safely:
            logger.warning(
                "llama-cpp-python was built with AMX, which may crash. So it computes without, and "
                "slower than it could. Build it again: %s --force-reinstall --no-cache-dir",
                install_command(),
            )
            params.use_extra_bufts = False
        self._pointer = functions.llama_model_load_from_file(str(base.path).encode(), params)
        if not self._pointer:
            raise EngineUnsupported(
                f"llama.cpp cannot load {base.path}: {self._binding.reason()}. Download it again, "
                "or serve it with --engine torch."
            )
        self.vocab_size: int = functions.llama_vocab_n_tokens(
            functions.llama_model_get_vocab(self._pointer)
        )
        self.most_kept = _most_kept(base)

    def load_adapter(self, path: Path) -> Any:
        """A pointer to a GGUF LoRA file's weights. Raises AdapterRefused."""
        functions = self._binding.functions
        adapter = functions.llama_adapter_lora_init(self._pointer, str(path).encode())
        if not adapter:  # a null pointer is an object that is false, and never None
            raise AdapterRefused(f"llama.cpp refuses the adapter: {self._binding.reason()}")
        return adapter

    def free_adapter(self, adapter: Any) -> None:
        """Only once every context that held it has been closed."""
        self._binding.functions.llama_adapter_lora_free(adapter)

    def open_context(
        self, size: ContextSize, adapters: Sequence[tuple[Any, float]]
    ) -> LlamaContext:
        """A context whose every token is computed with these adapters, at their scales.

        Raises EngineFailed where there is no memory for it.
        """
        functions = self._binding.functions
        params = functions.llama_context_default_params()
        params.n_ctx = size.num_cells
        params.n_batch = params.n_ubatch = size.num_batch
        params.n_seq_max = size.num_sequences
        params.n_outputs_max = size.num_sequences  # the default takes a vocabulary for each token
        params.n_threads = params.n_threads_batch = self._num_threads
        params.kv_unified = True  # sequences share a prefix's cells
        params.no_perf = True
        pointer = functions.llama_init_from_model(self._pointer, params)
        if not pointer:
            raise EngineFailed(
                f"There is no memory for a context of {size.num_cells} tokens: "
                f"{self._binding.reason()}. Lower --kv-memory or --context."
            )
        handles = (functions.llama_adapter_lora_p_ctypes * len(adapters))(
            *(adapter for adapter, _ in adapters)
        )
        scales = (ctypes.c_float * len(adapters))(*(scale for _, scale in adapters))
        if functions.llama_set_adapters_lora(pointer, handles, len(adapters), scales):
            functions.llama_free(pointer)
            raise EngineFailed(f"llama.cpp refuses the adapters: {self._binding.reason()}")
        has_windows = functions.llama_model_n_swa(self._pointer) > 0
        return LlamaContext(
            functions,
            pointer,
            size.num_batch,
            self.vocab_size,
            self._choices.setdefault(len(adapters), ThreadChoice(self._num_threads)),
            lambda: self.free_threads,
            remembers_all=not has_windows,
        )

    def close(self) -> None:
        """Once all contexts have been closed; adapters that are left go with it."""
        self._binding.functions.llama_model_free(self._pointer)


def bytes_per_token(base: GgufBase) -> int:
    """The bytes of a token's keys and values, in all layers. Raises GgufInvalid."""
    gguf, shape = base.gguf, base.shape
    prefix = f"{shape.architecture}.attention"
    head = gguf.count(f"{shape.architecture}.embedding_length") // shape.num_heads
    key, value = (
        gguf.count(name) if (name := f"{prefix}.{side}_length") in gguf.metadata else head
        for side in ("key", "value")
    )
    return shape.num_layers * shape.num_kv_heads * (key + value) * CACHE_BYTES


def _most_kept(base: GgufBase) -> int:
    """How many cells of requests that are gone a context may keep, beyond the last one's.

    Every token passes over them, in every head of every layer, and reads all of the weights. Kept
    so many, they make it about a twentieth slower: measured for SmolLM2-135M in Q4_0, 270 heads at
    1 ns a cell, and 14 GB of weights a second.
    """
    heads = base.shape.num_layers * base.shape.num_heads
    return base.path.stat().st_size // (heads * BYTES_PER_PASS)
