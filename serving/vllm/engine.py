"""The engine over vLLM servers."""

import asyncio
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psutil

from data.whole_file import new_folder, remove_new
from finetune.adapters.files import WEIGHTS_FILE
from finetune.adapters.weights import read_pairs
from finetune.errors import AdapterInvalid
from serving.engine import AdapterRef, Delta, EngineStats, LoadReport, Request
from serving.engine_thread import check_request
from serving.errors import (
    AdapterRefused,
    EngineAway,
    EngineBusy,
    EngineFailed,
    SchemaRefused,
    ServingError,
)
from serving.torch.encoder import Confirm

from .answer import ComingAnswer
from .client import MIDDLE, ODD, SERVERS_FAULT, ServerAway, ServerRefused, odd
from .fleet import Fleet, VllmConfig
from .process.own import OwnServer
from .server import VllmServer

REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
UNLIMITED = 1 << 62  # [bytes]: vLLM sees to its memory itself
PROBE = "Good morning. 你好！"


class VllmEngine:
    """An `Engine`. The base is named by the only model of a server that is no adapter."""

    def __init__(
        self,
        tokenizer: Any,
        vocab_size: int,
        config: VllmConfig,
        confirm: Confirm | None = None,  # an adapter's files, once they have been read
    ) -> None:
        self._tokenizer = tokenizer
        self._vocab_size = vocab_size
        self._config = config
        self._confirm = confirm
        self._own = None if config.own is None else OwnServer(config.own)
        self._draining: set[str] = set()  # also where the engine has been away
        self._fleet: Fleet | None = None
        self._context_length = config.context_length or 0
        self._stack = ExitStack()
        self._num_running = 0
        self._num_prompt_tokens = 0

    @property
    def context_length(self) -> int:
        return self._context_length

    async def start(self) -> None:
        """Raises EngineFailed where no server can be used."""
        config = self._config
        try:
            kept = self._stack.enter_context(_kept_in(config.kept))
            if self._own is not None:
                config = replace(config, urls=(await self._own.start(),), key=self._own.key)
            prompt_ids = self._tokenizer.encode(PROBE, add_special_tokens=False)
            self._fleet = Fleet(config, prompt_ids, kept, self._confirm, self._draining)
            self._context_length = await self._fleet.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        fleet, self._fleet = self._fleet, None
        try:
            if fleet is not None:
                await fleet.stop()
        finally:
            try:
                if self._own is not None:
                    await self._own.stop()
            finally:
                self._stack.close()

    async def load(self, adapter: AdapterRef) -> LoadReport:
        await self._opened().load(((adapter, 1.0),))
        return await asyncio.to_thread(_report, adapter)

    async def unload(self, adapter: AdapterRef) -> int:
        is_held = self.holds(adapter)
        await self._opened().drop(adapter)
        return _size(adapter) if is_held else 0

    def holds(self, adapter: AdapterRef) -> bool:
        return self._fleet is not None and self._fleet.holds(((adapter, 1.0),))

    def drain(self, url: str, *, is_draining: bool) -> bool:
        return self._opened().drain(url, is_draining=is_draining)

    def stats(self) -> EngineStats:
        servers = () if self._fleet is None else self._fleet.stats()
        return EngineStats(
            is_running=any(server.state in ("ready", "resting") for server in servers),
            num_running=self._num_running,
            num_resident_adapters=len({name for server in servers for name in server.adapters}),
            num_adapter_loads=sum(server.num_adapter_loads for server in servers),
            num_adapter_evictions=sum(server.num_adapter_evictions for server in servers),
            max_resident_bytes=UNLIMITED,
            num_prompt_tokens=self._num_prompt_tokens,
            engine="vllm",
            servers=servers,
        )

    async def submit(self, request: Request) -> AsyncGenerator[Delta]:
        self._check(request)
        blend = tuple((ref, scale) for ref, scale in request.blend if scale)
        request = replace(request, blend=blend)  # the others add nothing
        self._num_running += 1
        self._num_prompt_tokens += len(request.prompt_ids)
        try:
            async with aclosing(self._answer(request)) as deltas:
                async for delta in deltas:
                    yield delta
        finally:
            self._num_running -= 1

    async def _answer(self, request: Request) -> AsyncGenerator[Delta]:
        """Asked once more, of another server if there is one, where nothing of it has come."""
        failed: list[VllmServer] = []
        while True:
            answer = ComingAnswer(request, self._tokenizer)
            server = await self._opened().pick(request, failed)
            try:
                async with aclosing(server.stream(request)) as choices:
                    async for choice in choices:
                        yield _read(answer, choice)
                        if answer.is_finished and choice.get("finish_reason") is None:
                            return  # it would go on
                if answer.is_finished:
                    return
                raise ServerAway(MIDDLE)
            except (ServerAway, ServerRefused, AdapterRefused, EngineFailed) as error:
                if answer.is_finished:
                    return  # nothing is missing
                if failed or answer.num_tokens or not self._may_pass(error):
                    raise _meaning(error, request, has_begun=answer.num_tokens > 0) from error
                failed.append(server)
                if isinstance(error, ServerRefused):
                    server.suspect()

    def _may_pass(self, error: Exception) -> bool:
        """Whether another try may go well; what one server refuses, another may take."""
        if isinstance(error, ServerRefused):
            return error.status == HTTPStatus.NOT_FOUND or error.status >= SERVERS_FAULT
        return isinstance(error, ServerAway) or len(self._opened()) > 1

    def _check(self, request: Request) -> None:
        self._opened()
        check_request(request, self._context_length, self._vocab_size)
        if self._num_running >= self._config.max_requests:
            raise EngineBusy(f"{self._num_running} requests run or wait already.")

    def _opened(self) -> Fleet:
        if self._fleet is None:
            raise EngineFailed("The engine has stopped.")
        return self._fleet


@contextmanager
def _kept_in(folder: Path) -> Generator[Path]:
    """A folder that is gone afterwards. Raises EngineFailed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_left(folder)
        with new_folder(folder, str(os.getpid())) as kept:
            kept.chmod(0o755)  # the server may run as somebody else
            yield kept
    except OSError as error:
        raise EngineFailed(f"Nothing can be written into {folder}: {error.strerror}.") from error


def _remove_left(folder: Path) -> None:
    """What processes have left there that were killed."""
    for left in folder.glob(".new-*-*"):
        pid = left.name.split("-")[1]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            remove_new(folder, pid)


def _read(answer: ComingAnswer, choice: dict[str, Any]) -> Delta:
    try:
        return answer.read(choice)
    except ODD as error:
        raise odd(error) from error


def _meaning(error: Exception, request: Request, *, has_begun: bool) -> ServingError:
    if isinstance(error, ServingError):
        return error
    if isinstance(error, ServerAway):
        return EngineFailed(str(error)) if has_begun else EngineAway(f"{error} Try again shortly.")
    is_schema = request.sampling.json_schema is not None
    if is_schema and isinstance(error, ServerRefused) and error.status in REFUSALS:
        return SchemaRefused(f"The vLLM server refuses the JSON schema: {error}")
    return EngineFailed(f"The vLLM server refuses the request: {error}")


def _report(adapter: AdapterRef) -> LoadReport:
    try:
        names = [name.removesuffix(".weight") for name in read_pairs(adapter.folder)]
    except (AdapterInvalid, OSError) as error:
        raise AdapterRefused.of(error, adapter) from error
    return LoadReport(tuple(each.removeprefix("model.") for each in names), _size(adapter))


def _size(adapter: AdapterRef) -> int:
    try:
        return (adapter.folder / WEIGHTS_FILE).stat().st_size
    except OSError:
        return 0
