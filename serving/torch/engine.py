"""The torch engine: requests of any adapters and blends in one batch, on CPU or GPU."""

import contextlib
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from serving.engine import AdapterRef
from serving.engine_thread import ThreadedEngine
from serving.errors import EngineFailed

from .encoder import Confirm, EncodedAdapter
from .forms.build import Form, Parts, TorchEngineConfig, build_parts
from .forms.choice import choose, fits_wide, possible_forms
from .native.compiler import Compiler, library_path, load
from .native.forward import CompiledIsWrong, can_run
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
        """With compiled code if it is there. Else it is made: before the first answer where no
        other form is fast, beside the answers where a wide one fits."""
        compiler = self._compiler_for()
        library = compiler and load(compiler.path)
        if compiler and not library and not fits_wide(self._architecture):
            library = compiler.run()
        parts = self._parts(library)
        if compiler and not library and fits_wide(self._architecture):
            self._compiler = compiler
            compiler.start(self._use)
        return Batch(parts, self._config.max_rows, self._config.chunk_tokens)

    def _compiler_for(self) -> Compiler | None:
        """None where int8 is not wanted, or not computed by our code."""
        config = self._config
        is_int8 = config.device == "cpu" and config.precision in ("auto", "int8")
        if config.compiled is None or not is_int8 or not can_run(self._architecture):
            return None
        return Compiler(library_path(config.compiled))

    def _parts(self, library: Library | None) -> Parts:
        """In the fastest form that is right."""
        form = self._choose(library)
        logger.info("The base's weights are held in %s", form)
        try:
            return self._build_parts(form)
        except CompiledIsWrong as error:
            logger.warning("Compiled code is not used: %s", error)
            return self._build_parts(self._choose(None))

    def _choose(self, library: Library | None) -> Form:
        compiled = Form("int8", library) if library else None
        forms = possible_forms(self._architecture, self._config, compiled)
        return choose(forms, self._architecture, self._config.compiled)

    def _build_parts(self, form: Form) -> Parts:
        return build_parts(self._folder, self._architecture, form, self._config, self._confirm)

    def _use(self, library: Library) -> None:
        """Compiled code is there: the answers go on in another form, if that is faster."""
        with self._computing():
            parts = self._parts(library)
            if parts.form.library is None:
                return
            with contextlib.suppress(EngineFailed):  # it has stopped meanwhile
                self._put(lambda batch: batch.become(parts))
        logger.info("Compiled: answers are faster from now on")

    def _most_threads(self) -> int:
        import torch

        return torch.get_num_threads() if self._config.device == "cpu" else 1

    def _use_threads(self, work: Batch, count: int) -> None:
        import torch

        torch.set_num_threads(count)

    def _read(self, ref: AdapterRef) -> EncodedAdapter:
        assert self._work is not None
        return self._work.bank.encoder.load(ref)

    def _residing(self, ref: AdapterRef, loaded: EncodedAdapter) -> Callable[[Batch], None]:
        """What was read for another form is read again when it is needed."""

        def put(batch: Batch) -> None:
            if loaded.kind == batch.bank.encoder.kind:
                batch.residents.put(ref, loaded)

        return put
