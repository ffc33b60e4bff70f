"""The torch engine: requests of any adapters and blends in one batch, on CPU or GPU."""

import contextlib
import logging
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from finetune.hardware import cpu_features
from serving.engine import AdapterRef
from serving.engine_thread import ThreadedEngine
from serving.errors import EngineFailed

from .build import TorchEngineConfig, build_batch, build_encoder, choose_precision
from .encoder import Confirm, EncodedAdapter, Encoder
from .native.compiler import Compiler, library_path, load
from .native.forward import can_run, use
from .native.library import Library
from .work import Batch

logger = logging.getLogger(__name__)


class TorchEngine(ThreadedEngine[Batch, EncodedAdapter]):
    """An `Engine` for bases of the LLaMA family."""

    def __init__(
        self,
        folder: Path,
        tokenizer: Any,
        config: TorchEngineConfig,
        confirm: Confirm | None = None,  # an adapter's files, once they have been read
    ) -> None:
        """Takes a Hugging Face folder. Raises EngineUnsupported for other families."""
        from .architecture import read_architecture

        self._folder = folder
        self._config = config
        self._confirm = confirm
        self._architecture = read_architecture(folder)
        self._encoder: Encoder | None = None
        self._compiler: Compiler | None = None
        super().__init__(
            tokenizer, self._architecture.vocab_size, config.max_rows, config.max_waiting
        )

    @property
    def context_length(self) -> int:
        own = self._architecture.context_length
        return min(own, self._config.context_length or own)

    async def stop(self) -> None:
        if self._compiler is not None:
            self._compiler.stop()
        await super().stop()

    def _computing(self) -> AbstractContextManager[Any]:
        import torch

        return torch.inference_mode()

    def _build(self) -> Batch:
        config = self._choose_precision()
        self._encoder = build_encoder(self._architecture, config, self._confirm)
        batch = build_batch(self._folder, self._architecture, self._encoder, config)
        self._compile(batch)
        return batch

    def _most_threads(self) -> int:
        import torch

        return torch.get_num_threads() if self._config.device == "cpu" else 1

    def _use_threads(self, work: Batch, count: int) -> None:
        import torch

        torch.set_num_threads(count)

    def _read(self, ref: AdapterRef) -> EncodedAdapter:
        assert self._encoder is not None
        return self._encoder.load(ref)

    def _choose_precision(self) -> TorchEngineConfig:
        chosen = choose_precision(
            self._config.precision,
            self._config.device,
            self._architecture.num_parameters,
            cpu_features(),
        )
        self._config = replace(self._config, precision=chosen)
        logger.info("The base's weights are held in %s", chosen)
        return self._config

    def _compile(self, batch: Batch) -> None:
        """Use compiled code if it is there; else have it made, and answer without it so far."""
        if self._config.compiled is None or not can_run(batch.decoder):
            return
        path = library_path(self._config.compiled)
        library = load(path)
        if library is not None:
            use(library, batch.decoder, batch.bank)
            return
        self._compiler = Compiler(path)
        self._compiler.start(self._use)

    def _use(self, library: Library) -> None:
        with contextlib.suppress(EngineFailed):  # it has stopped meanwhile
            self._put(lambda batch: use(library, batch.decoder, batch.bank))
