"""The torch engine: requests of any adapters and blends in one batch, on CPU or GPU.

One thread owns the model. The event loop hands it commands and gets deltas back; nothing else
is shared.
"""

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from .batch import Batch
from .build import TorchEngineConfig, build_batch, build_encoder, choose_precision
from .compiler import Compiler, library_path, load
from .encoder import Confirm, EncodedAdapter
from .engine import AdapterRef, Blend, Delta, EngineStats, LoadReport, Request
from .errors import EngineBusy, EngineFailed, PromptTooLong, ServingError
from .grammar import Grammars, Matcher
from .library import Library
from .loader import AdapterLoader
from .native import can_run, use
from .row import Row
from .sampler import check_bias

logger = logging.getLogger(__name__)

Outcome = Delta | ServingError
Command = Callable[[Batch], None]


class TorchEngine:
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
        self._tokenizer = tokenizer
        self._config = config
        self._confirm = confirm
        self._architecture = read_architecture(folder)
        self._grammars = Grammars(tokenizer, self._architecture.vocab_size)
        self._loader: AdapterLoader | None = None
        self._commands: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._open = threading.Lock()  # held to put a command, and to close
        self._is_open = False
        self._thread: threading.Thread | None = None
        self._batch: Batch | None = None
        self._num_submitted = 0  # waiting in commands or in the batch
        self._compiler: Compiler | None = None

    @property
    def context_length(self) -> int:
        own = self._architecture.context_length
        return min(own, self._config.context_length or own)

    async def start(self) -> None:
        ready: Future[None] = Future()
        self._commands = queue.SimpleQueue()  # nothing is left of an earlier start
        self._thread = threading.Thread(target=self._run, args=(ready,), name="engine", daemon=True)
        self._thread.start()
        await asyncio.wrap_future(ready)

    async def stop(self) -> None:
        if self._compiler is not None:
            self._compiler.stop()
        thread, self._thread = self._thread, None
        if thread is not None:
            self._commands.put(None)
            await asyncio.to_thread(thread.join)

    async def load(self, adapter: AdapterRef) -> LoadReport:
        await self._fetch(((adapter, 1.0),))
        return await self._call(lambda batch: batch.bank.residents.get(adapter).report)

    async def unload(self, adapter: AdapterRef) -> int:
        return await self._call(lambda batch: batch.drop(adapter))

    def holds(self, adapter: AdapterRef) -> bool:
        batch = self._batch
        return batch is not None and adapter.sha256 in batch.bank.residents

    def stats(self) -> EngineStats:
        batch = self._batch
        if batch is None:
            return EngineStats(is_running=False)
        stats = batch.stats()
        return replace(stats, num_waiting=max(0, self._num_submitted - stats.num_running))

    async def submit(self, request: Request) -> AsyncGenerator[Delta]:
        self._check(request)
        loop = asyncio.get_running_loop()
        outcomes: asyncio.Queue[Outcome] = asyncio.Queue()

        def emit(outcome: Outcome) -> None:
            loop.call_soon_threadsafe(outcomes.put_nowait, outcome)

        self._num_submitted += 1
        row: Row | None = None
        try:
            await self._fetch(request.blend)
            row = Row(request, self._tokenizer, emit, await self._matcher(request))
            self._put(_adding(row))
            while True:
                outcome = await outcomes.get()
                if isinstance(outcome, ServingError):
                    raise outcome
                yield outcome
                if outcome.finish_reason is not None:
                    return
        finally:
            self._num_submitted -= 1
            if row is not None:
                self._commands.put(_cancelling(row))

    def _check(self, request: Request) -> None:
        if not self._is_open:
            raise EngineFailed("The engine is not running.")
        num_prompt, max_tokens = len(request.prompt_ids), request.sampling.max_tokens
        if num_prompt == 0:
            raise EngineFailed("The prompt has no tokens.")
        if num_prompt + max_tokens > self.context_length:
            raise PromptTooLong(num_prompt, max_tokens, self.context_length)
        check_tokens(request.prompt_ids, self._architecture.vocab_size)
        check_bias(request.sampling, self._architecture.vocab_size)
        if self._num_submitted >= self._config.max_rows + self._config.max_waiting:
            raise EngineBusy(
                f"{self._config.max_waiting} requests are waiting already. Try again shortly."
            )

    async def _matcher(self, request: Request) -> Matcher | None:
        schema = request.sampling.json_schema
        if schema is None:
            return None
        return await asyncio.to_thread(self._grammars.matcher, schema, request.end_ids)

    async def _fetch(self, blend: Blend) -> None:
        """Have adapters in memory before the engine's thread asks for them.

        Raises AdapterRefused.
        """
        batch, loader = self._batch, self._loader
        for ref, _ in blend:
            if batch and loader and ref.sha256 not in batch.bank.residents:
                self._put(_residing(ref, await loader.load(ref)))

    def _put(self, command: Command) -> None:
        with self._open:
            if not self._is_open:
                raise EngineFailed("The engine is not running.")
            self._commands.put(command)

    async def _call(self, action: Callable[[Batch], Any]) -> Any:
        """Run an action on the engine's thread, between two steps."""
        future: Future[Any] = Future()

        def command(batch: Batch) -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(action(batch))
            except Exception as error:  # noqa: BLE001 - handed to whoever awaits it
                future.set_exception(error)

        self._put(command)
        return await asyncio.wrap_future(future)

    def _run(self, ready: Future[None]) -> None:
        import torch

        with torch.inference_mode():
            try:
                config = self._choose_precision()
                encoder = build_encoder(self._architecture, config, self._confirm)
                batch = build_batch(self._folder, self._architecture, encoder, config)
                self._compile(batch)
            except BaseException as error:  # noqa: BLE001 - handed to whoever awaits start()
                ready.set_exception(error)
                return
            self._batch, self._loader = batch, AdapterLoader(encoder.load)
            self._is_open = True
            ready.set_result(None)
            try:
                while self._advance(batch):
                    pass
            finally:
                self._close(batch)

    def _choose_precision(self) -> TorchEngineConfig:
        chosen = choose_precision(self._config.precision, self._config.device)
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

    def _advance(self, batch: Batch) -> bool:
        """Obey and take a step; False to stop."""
        try:
            if not self._obey(batch):
                return False
            batch.step()
        except Exception:  # the thread's border: one bad step must not end the server
            logger.exception("A step of the engine failed; its requests end with an error")
            batch.fail(EngineFailed("The engine failed while computing this answer."))
        return True

    def _close(self, batch: Batch) -> None:
        """Take no more requests, and end those that are here: nobody waits for ever."""
        with self._open:
            self._is_open = False
        while not self._commands.empty():
            command = self._commands.get()
            if command is not None:
                command(batch)
        batch.fail(EngineFailed("The engine has stopped."))
        self._batch = None

    def _obey(self, batch: Batch) -> bool:
        """Carry out what has been asked, waiting if there is nothing else to do; False to stop."""
        while True:
            try:
                command = self._commands.get(block=batch.is_idle)
            except queue.Empty:
                return True
            if command is None:
                return False
            command(batch)


def check_tokens(prompt_ids: tuple[int, ...], vocab_size: int) -> None:
    """Raises EngineFailed for a token that a tokenizer has and the base has not."""
    for token_id in (min(prompt_ids), max(prompt_ids)):
        if not 0 <= token_id < vocab_size:
            raise EngineFailed(
                f"The base has no token {token_id}, which the prompt holds: its token ids end at "
                f"{vocab_size - 1}."
            )


def _adding(row: Row) -> Command:
    return lambda batch: batch.add(row)


def _cancelling(row: Row) -> Command:
    return lambda batch: batch.cancel(row)


def _residing(ref: AdapterRef, encoded: EncodedAdapter) -> Command:
    return lambda batch: batch.bank.residents.put(ref, encoded)
