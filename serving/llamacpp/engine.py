"""The llama.cpp engine: a GGUF base as it is, and a context for every set of adapters."""

from dataclasses import dataclass
from typing import Any

from finetune.bases.gguf_base import GgufBase
from serving.adapters.residents import Residents
from serving.engine import AdapterRef, Blend, EngineLimits
from serving.engine_thread import ThreadedEngine
from serving.errors import AdapterRefused, EngineUnsupported
from serving.torch.encoder import Confirm

from .adapter import AdapterConverter, ConvertedAdapter, LoadedAdapter
from .binding import load_binding
from .lane import Lane
from .model import ContextSize, LlamaModel, bytes_per_token
from .threads import num_cores
from .work import LlamaWork


@dataclass(frozen=True, slots=True)
class LlamaEngineConfig(EngineLimits):
    num_threads: int | None = None  # None: the cores that this process may use


class LlamaCppEngine(ThreadedEngine[LlamaWork, ConvertedAdapter]):
    """An `Engine` for GGUF bases."""

    def __init__(
        self,
        base: GgufBase,
        config: LlamaEngineConfig,
        confirm: Confirm | None = None,  # an adapter's files, once they have been read
    ) -> None:
        """Raises EngineUnsupported where llama-cpp-python is not installed, BaseUnusable."""
        most = load_binding().functions.llama_max_parallel_sequences()
        if config.max_rows > most:
            raise EngineUnsupported(
                f"llama.cpp computes at most {most} requests together; max_batch is "
                f"{config.max_rows}. Lower it."
            )
        self._base = base
        self._config = config
        self._converter = AdapterConverter(base, confirm)
        self._model: LlamaModel | None = None
        super().__init__(base.tokenizer, base.vocab_size, config.max_rows, config.max_waiting)

    @property
    def context_length(self) -> int:
        own = self._base.gguf.count(f"{self._base.shape.architecture}.context_length")
        return min(own, self._config.context_length or own)

    def _build(self) -> LlamaWork:
        config, context_length = self._config, self.context_length
        max_cells = config.kv_bytes // bytes_per_token(self._base)
        self._model = LlamaModel(self._base, self._most_threads())
        return LlamaWork(
            Residents(
                lambda ref: self._load(self._converter.convert(ref)),
                config.adapter_bytes,
                size=lambda adapter: adapter.num_bytes,
                free=lambda adapter: self._opened.free_adapter(adapter.pointer),
            ),
            self._open_lane,
            config.max_rows,
            max_cells,
            context_length,
        )

    def _most_threads(self) -> int:
        return self._config.num_threads or num_cores()

    def _use_threads(self, work: LlamaWork, count: int) -> None:
        self._opened.free_threads = count

    def _read(self, ref: AdapterRef) -> ConvertedAdapter:
        return self._converter.convert(ref)

    def _residing(self, ref: AdapterRef, loaded: ConvertedAdapter) -> Any:
        def reside(work: LlamaWork) -> None:
            if ref.sha256 in work.residents:
                loaded.remove()
                return
            try:
                work.residents.put(ref, self._load(loaded))
            except AdapterRefused:  # whoever asks for it is told, by a second try
                return

        return reside

    def _close(self, work: LlamaWork) -> None:
        work.lanes.clear()
        self._opened.close()
        self._model = None

    def _load(self, converted: ConvertedAdapter) -> LoadedAdapter:
        """Raises AdapterRefused."""
        try:
            return LoadedAdapter(self._opened.load_adapter(converted.path), converted.report)
        finally:
            converted.remove()

    def _open_lane(self, blend: Blend, num_cells: int) -> Lane:
        assert self._work is not None
        residents, config = self._work.residents, self._config
        size = ContextSize(num_cells, config.max_rows, config.chunk_tokens + config.max_rows)
        scales: dict[str, float] = {}  # llama.cpp takes an adapter once, whatever its names are
        for ref, scale in blend:
            scales[ref.sha256] = scales.get(ref.sha256, 0.0) + scale
        adapters = [(residents[key].pointer, scale) for key, scale in scales.items()]
        context = self._opened.open_context(size, adapters)
        kept = self._opened.most_kept
        return Lane(context, blend, num_cells, config.max_rows, config.chunk_tokens, kept)

    @property
    def _opened(self) -> LlamaModel:
        assert self._model is not None
        return self._model
