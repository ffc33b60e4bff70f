"""An engine whose model belongs to one thread.

The event loop hands that thread commands and gets deltas back; nothing else is shared.
"""

import asyncio
import logging
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar

from finetune.free_cores import LOOK, FreeCores

from .adapters.loader import AdapterLoader
from .adapters.residents import Residents
from .engine import AdapterRef, Blend, Delta, EngineStats, LoadReport, Request
from .errors import EngineBusy, EngineFailed, PromptTooLong, ServingError
from .requests.grammar import Grammars, Matcher
from .requests.row import Row
from .requests.sampler import check_bias

logger = logging.getLogger(__name__)

Outcome = Delta | ServingError


class HasReport(Protocol):
    @property
    def report(self) -> LoadReport: ...


class Work(Protocol):
    """The requests being computed; the engine's thread alone touches it."""

    @property
    def residents(self) -> Residents[Any]: ...

    @property
    def is_idle(self) -> bool: ...

    def add(self, row: Row) -> None: ...

    def cancel(self, row: Row) -> None: ...

    def drop(self, adapter: AdapterRef) -> int: ...

    def step(self) -> None: ...

    def fail(self, error: ServingError) -> None: ...

    def stats(self) -> EngineStats:
        """All but what is told of residents, and of requests that have not arrived here yet."""
        ...


WorkT = TypeVar("WorkT", bound=Work)
Loaded = TypeVar("Loaded", bound=HasReport)  # an adapter on its way into memory


class ThreadedEngine(ABC, Generic[WorkT, Loaded]):
    """An `Engine`. Those who inherit say how the work is built, and how an adapter is read."""

    def __init__(self, tokenizer: Any, vocab_size: int, max_rows: int, max_waiting: int) -> None:
        self._tokenizer = tokenizer
        self._vocab_size = vocab_size  # the logits' width
        self._max_rows = max_rows
        self._max_waiting = max_waiting
        self._grammars = Grammars(tokenizer, vocab_size)
        self._loader: AdapterLoader[Loaded] | None = None
        self._commands: queue.SimpleQueue[Callable[[WorkT], None] | None] = queue.SimpleQueue()
        self._open = threading.Lock()  # held to put a command, and to close
        self._is_open = False
        self._thread: threading.Thread | None = None
        self._work: WorkT | None = None
        self._num_submitted = 0  # waiting in commands or in the work
        self._cores: FreeCores | None = None
        self._num_threads = 0

    @property
    @abstractmethod
    def context_length(self) -> int: ...

    @abstractmethod
    def _build(self) -> WorkT:
        """Load the base; on the engine's thread."""

    @abstractmethod
    def _read(self, ref: AdapterRef) -> Loaded:
        """An adapter from its files; on a thread of its own. Raises AdapterRefused."""

    @abstractmethod
    def _most_threads(self) -> int:
        """That may compute a step; asked on the engine's thread."""

    @abstractmethod
    def _use_threads(self, work: WorkT, count: int) -> None:
        """Compute with so many from the next step on."""

    def _begin(self) -> None:
        """Commands are taken from now on; on the engine's thread."""

    def _close(self, work: WorkT) -> None:
        """Free what `_build` made; on the engine's thread, once nobody computes any more."""

    def _computing(self) -> AbstractContextManager[Any]:
        """What the engine's thread runs within."""
        return nullcontext()

    async def start(self) -> None:
        ready: Future[None] = Future()
        self._commands = queue.SimpleQueue()  # nothing is left of an earlier start
        self._thread = threading.Thread(target=self._run, args=(ready,), name="engine", daemon=True)
        self._thread.start()
        await asyncio.wrap_future(ready)

    async def stop(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._commands.put(None)
            await asyncio.to_thread(thread.join)

    async def load(self, adapter: AdapterRef) -> LoadReport:
        await self._fetch(((adapter, 1.0),))
        return await self._call(lambda work: work.residents.get(adapter).report)

    async def unload(self, adapter: AdapterRef) -> int:
        return await self._call(lambda work: work.drop(adapter))

    def holds(self, adapter: AdapterRef) -> bool:
        work = self._work
        return work is not None and adapter.sha256 in work.residents

    def stats(self) -> EngineStats:
        work = self._work
        if work is None:
            return EngineStats(is_running=False)
        stats, residents = work.stats(), work.residents
        return replace(
            stats,
            num_waiting=max(0, self._num_submitted - stats.num_running),
            num_resident_adapters=len(residents),
            num_resident_bytes=residents.total,
            max_resident_bytes=residents.limit,
            num_adapter_loads=residents.num_loads,
            num_adapter_evictions=residents.num_evictions,
            num_threads=self._num_threads,
            cores_elsewhere=self._cores.others if self._cores else 0.0,
        )

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
        check_request(request, self.context_length, self._vocab_size)
        if self._num_submitted >= self._max_rows + self._max_waiting:
            raise EngineBusy(
                f"{self._max_waiting} requests are waiting already. Try again shortly."
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
        work, loader = self._work, self._loader
        for ref, _ in blend:
            if work and loader and ref.sha256 not in work.residents:
                self._put(self._residing(ref, await loader.load(ref)))

    def _residing(self, ref: AdapterRef, loaded: Loaded) -> Callable[[WorkT], None]:
        return lambda work: work.residents.put(ref, loaded)

    def _put(self, command: Callable[[WorkT], None]) -> None:
        with self._open:
            if not self._is_open:
                raise EngineFailed("The engine is not running.")
            self._commands.put(command)

    async def _call(self, action: Callable[[WorkT], Any]) -> Any:
        """Run an action on the engine's thread, between two steps."""
        future: Future[Any] = Future()

        def command(work: WorkT) -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(action(work))
            except Exception as error:  # noqa: BLE001 - handed to whoever awaits it
                future.set_exception(error)

        self._put(command)
        return await asyncio.wrap_future(future)

    def _run(self, ready: Future[None]) -> None:
        with self._computing():
            try:
                work = self._build()
                self._num_threads = self._most_threads()
                self._cores = FreeCores(self._num_threads)
            except BaseException as error:  # noqa: BLE001 - handed to whoever awaits start()
                ready.set_exception(error)
                return
            self._work, self._loader = work, AdapterLoader(self._read)
            self._is_open = True
            self._begin()
            ready.set_result(None)
            try:
                while self._advance(work, self._cores):
                    pass
            finally:
                self._end(work)

    def _advance(self, work: WorkT, cores: FreeCores) -> bool:
        """Obey and take a step; False to stop."""
        try:
            if not self._obey(work, cores):
                return False
            if (count := cores.num_threads()) != self._num_threads:
                self._use_threads(work, count)
                self._num_threads = count
            work.step()
        except Exception:  # the thread's border: one bad step must not end the server
            logger.exception("A step of the engine failed; its requests end with an error")
            work.fail(EngineFailed("The engine failed while computing this answer."))
        return True

    def _end(self, work: WorkT) -> None:
        """Take no more requests, and end those that are here: nobody waits for ever."""
        with self._open:
            self._is_open = False
        try:
            while not self._commands.empty():
                command = self._commands.get()
                if command is not None:
                    command(work)
        finally:
            work.fail(EngineFailed("The engine has stopped."))
            self._work = None
            self._close(work)

    def _obey(self, work: WorkT, cores: FreeCores) -> bool:
        """Carry out what has been asked, waiting if there is nothing else to do; False to stop."""
        while True:
            try:
                command = self._commands.get(block=work.is_idle, timeout=LOOK)
            except queue.Empty:
                cores.look()
                if work.is_idle:
                    continue
                return True
            if command is None:
                return False
            command(work)


def check_request(request: Request, context_length: int, vocab_size: int) -> None:
    """What no engine takes. Raises EngineFailed, PromptTooLong and BiasRefused."""
    num_prompt, max_tokens = len(request.prompt_ids), request.sampling.max_tokens
    if num_prompt == 0:
        raise EngineFailed("The prompt has no tokens.")
    if num_prompt + max_tokens > context_length:
        raise PromptTooLong(num_prompt, max_tokens, context_length)
    check_tokens(request.prompt_ids, vocab_size)
    check_bias(request.sampling, vocab_size)


def check_tokens(prompt_ids: tuple[int, ...], vocab_size: int) -> None:
    """Raises EngineFailed for a token that a tokenizer has and the base has not."""
    for token_id in (min(prompt_ids), max(prompt_ids)):
        if not 0 <= token_id < vocab_size:
            raise EngineFailed(
                f"The base has no token {token_id}, which the prompt holds: its token ids end at "
                f"{vocab_size - 1}."
            )


def _adding(row: Row) -> Callable[[Work], None]:
    return lambda work: work.add(row)


def _cancelling(row: Row) -> Callable[[Work], None]:
    return lambda work: work.cancel(row)
