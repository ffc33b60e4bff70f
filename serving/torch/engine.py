"""The torch engine: requests of any adapters and blends in one batch, on CPU or GPU."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from finetune.bases.shape import Shape
from finetune.hardware import look_at_memory
from serving.engine import AdapterRef, EngineStats
from serving.engine_thread import ThreadedEngine
from serving.errors import EngineFailed

from .cost import shortage
from .encoder import Confirm, EncodedAdapter
from .forms.build import Form, Parts, TorchEngineConfig, build_parts
from .forms.choice import can_compile, can_wait, choose, compiled_form, possible_forms
from .native.compiler import Compiler
from .native.forward import CompiledIsWrong
from .native.kept import find_library
from .native.library import Library
from .work import TorchWork

logger = logging.getLogger(__name__)

NOT_USED = "Compiled code is not used: %s"


class TorchEngine(ThreadedEngine[TorchWork, EncodedAdapter]):
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
            await asyncio.to_thread(self._compiler.stop)
        await super().stop()

    def _computing(self) -> AbstractContextManager[Any]:
        import torch

        return torch.inference_mode()

    def _build(self) -> TorchWork:
        """The batch, with compiled code if it is there. Else code is compiled: before the first
        answer where nothing else is right or fast, beside the answers where something is."""
        folder = self._config.compiled
        library = self._compiler = None
        if folder is not None and can_compile(self._architecture, self._config):
            library = find_library(folder)
            if library is None:
                compiler = Compiler(folder)
                if can_wait(self._architecture, self._config):
                    self._compiler = compiler
                else:
                    library = compiler.run()
        parts = self._parts(library)
        logger.info("The base's weights are held in %s", parts.form)
        return TorchWork(parts, self._config.max_rows, self._config.chunk_tokens)

    def _begin(self) -> None:
        if self._compiler is not None:
            self._compiler.start(self._use)

    def _parts(self, library: Library | None) -> Parts:
        """The batch's parts, in the fastest form that is right."""
        try:
            return self._build_parts(self._choose(library, self._config.compiled))
        except CompiledIsWrong as error:
            logger.warning(NOT_USED, error)
            return self._build_parts(self._choose(None, self._config.compiled))

    def _use(self, library: Library) -> None:
        """Compiled code is there: the answers go on in another form, if that is faster. What is
        measured beside answers is not kept; the next start measures again."""
        with self._computing():
            form = self._choose(library, None)
            if form.library is None or self._is_stopping():
                return
            try:
                parts = self._build_parts(form)
            except CompiledIsWrong as error:
                logger.warning(NOT_USED, error)
                return
            with contextlib.suppress(EngineFailed):  # it has stopped meanwhile
                self._put(lambda batch: batch.become(parts))
                logger.info("Compiled: answers are faster from now on, in %s", form)

    def _is_stopping(self) -> bool:
        return self._compiler is not None and self._compiler.is_stopped

    def _choose(self, library: Library | None, folder: Path | None) -> Form:
        compiled = compiled_form(self._config, library)
        forms = possible_forms(self._architecture, self._config, compiled)
        return choose(forms, self._architecture, folder)

    def stats(self) -> EngineStats:
        is_compiling = self._compiler is not None and self._compiler.is_at_work
        return replace(super().stats(), is_compiling=is_compiling)

    def _build_parts(self, form: Form) -> Parts:
        self._look_for_room(form)
        return build_parts(self._folder, self._architecture, form, self._config, self._confirm)

    def _look_for_room(self, form: Form) -> None:
        """Say it beforehand where memory may run out: the system would end the server later."""
        memory = look_at_memory()
        if memory.device != self._config.device:
            return
        shape = Shape.of_config(self._architecture.config.to_dict())
        assert shape is not None  # of another family there is no architecture
        own = self._architecture.context_length
        if told := shortage(shape, own, form, self._config, memory.free_bytes):
            logger.warning(told)

    def _most_threads(self) -> int:
        import torch

        return torch.get_num_threads() if self._config.device == "cpu" else 1

    def _use_threads(self, work: TorchWork, count: int) -> None:
        import torch

        torch.set_num_threads(count)

    def _read(self, ref: AdapterRef) -> EncodedAdapter:
        work = self._work
        if work is None:
            raise EngineFailed("The engine is not running.")
        return work.bank.encoder.load(ref)

    def _residing(self, ref: AdapterRef, loaded: EncodedAdapter) -> Callable[[TorchWork], None]:
        """What was read for another form is read again when it is needed."""

        def put(batch: TorchWork) -> None:
            if loaded.kind == batch.bank.encoder.kind:
                batch.residents.put(ref, loaded)

        return put
