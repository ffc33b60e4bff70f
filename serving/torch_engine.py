"""The torch engine: requests of any adapters and blends in one batch, on CPU or GPU.

One thread owns the model. The event loop hands it commands and gets deltas back; nothing else
is shared.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .batch import Batch, Row
from .engine import AdapterRef, Delta, EngineStats, LoadReport, Request
from .errors import EngineBusy, EngineFailed, PromptTooLong, ServingError

logger = logging.getLogger(__name__)

Outcome = Delta | ServingError


@dataclass(frozen=True, slots=True)
class TorchEngineConfig:
    precision: str = "fp32"  # or bf16
    device: str = "cpu"
    max_rows: int = 16  # requests computed together
    max_waiting: int = 256  # requests queued beyond them
    max_residents: int = 32  # adapters in memory beyond those in use
    context_length: int | None = None  # [tokens]; the base's own if None


class TorchEngine:
    """An `Engine` for bases of the LLaMA family."""

    def __init__(self, folder: Path, tokenizer: Any, config: TorchEngineConfig) -> None:
        """Takes a Hugging Face folder. Raises EngineUnsupported for other families."""
        from .architecture import read_architecture

        self._folder = folder
        self._tokenizer = tokenizer
        self._config = config
        self._architecture = read_architecture(folder)
        self._commands: queue.SimpleQueue[Callable[[Batch], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._batch: Batch | None = None
        self._num_submitted = 0  # waiting in commands or in the batch

    @property
    def context_length(self) -> int:
        own = self._architecture.context_length
        return min(own, self._config.context_length or own)

    async def start(self) -> None:
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="engine", daemon=True)
        self._thread.start()
        await asyncio.wrap_future(ready)

    async def stop(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._commands.put(None)
            await asyncio.to_thread(thread.join)

    async def load(self, adapter: AdapterRef) -> LoadReport:
        return await self._call(lambda batch: batch.residents.get(adapter).report)

    async def unload(self, adapter: AdapterRef) -> None:
        await self._call(lambda batch: batch.drop(adapter))

    def stats(self) -> EngineStats:
        batch = self._batch
        if batch is None:
            return EngineStats()
        return EngineStats(
            num_running=len(batch.running),
            num_waiting=max(0, self._num_submitted - len(batch.running)),
            num_resident_adapters=len(batch.residents),
        )

    async def submit(self, request: Request) -> AsyncGenerator[Delta]:
        self._check(request)
        loop = asyncio.get_running_loop()
        outcomes: asyncio.Queue[Outcome] = asyncio.Queue()

        def emit(outcome: Outcome) -> None:
            loop.call_soon_threadsafe(outcomes.put_nowait, outcome)

        row = Row(request, self._tokenizer, emit)
        self._num_submitted += 1
        self._commands.put(lambda batch: batch.add(row))
        try:
            while True:
                outcome = await outcomes.get()
                if isinstance(outcome, ServingError):
                    raise outcome
                yield outcome
                if outcome.finish_reason is not None:
                    return
        finally:
            self._num_submitted -= 1
            self._commands.put(lambda batch: batch.cancel(row))

    def _check(self, request: Request) -> None:
        if self._thread is None:
            raise EngineFailed("The engine is not running.")
        num_prompt, max_tokens = len(request.prompt_ids), request.sampling.max_tokens
        if num_prompt == 0:
            raise EngineFailed("The prompt has no tokens.")
        if num_prompt + max_tokens > self.context_length:
            raise PromptTooLong(num_prompt, max_tokens, self.context_length)
        if self._num_submitted >= self._config.max_rows + self._config.max_waiting:
            raise EngineBusy(
                f"{self._config.max_waiting} requests are waiting already. Try again shortly."
            )

    async def _call(self, action: Callable[[Batch], Any]) -> Any:
        """Run an action on the engine's thread, between two steps."""
        if self._thread is None:
            raise EngineFailed("The engine is not running.")
        future: Future[Any] = Future()

        def command(batch: Batch) -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(action(batch))
            except Exception as error:  # noqa: BLE001 - handed to whoever awaits it
                future.set_exception(error)

        self._commands.put(command)
        return await asyncio.wrap_future(future)

    def _run(self, ready: Future[None]) -> None:
        import torch

        try:
            batch = self._batch = self._build()
        except BaseException as error:  # noqa: BLE001 - handed to whoever awaits start()
            ready.set_exception(error)
            return
        ready.set_result(None)
        with torch.inference_mode():
            while self._advance(batch):
                pass
        batch.fail(EngineFailed("The server is stopping."))
        self._batch = None

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

    def _build(self) -> Batch:
        import torch

        from .decoder import Decoder

        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[self._config.precision]
        decoder = Decoder(self._folder, self._architecture, dtype, self._config.device)
        return Batch(decoder, self._config.max_rows, self._config.max_residents)

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
