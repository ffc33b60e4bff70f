"""The engine over one vLLM server that runs already."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, aclosing, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from data.whole_file import new_folder
from finetune.adapters.files import WEIGHTS_FILE
from finetune.adapters.weights import read_pairs
from finetune.errors import AdapterInvalid
from serving.engine import AdapterRef, Delta, EngineStats, LoadReport, Request
from serving.engine_thread import check_request
from serving.errors import (
    AdapterRefused,
    EngineBusy,
    EngineFailed,
    SchemaRefused,
    ServingError,
)
from serving.torch.encoder import Confirm

from .answer import ComingAnswer
from .asking import body_of
from .client import Card, ServerAway, ServerRefused, VllmClient
from .pushed import Sizes
from .residents import Residents

INTERVAL = 2.0  # [seconds] from one look at the server to the next
SERVERS_FAULT = HTTPStatus.INTERNAL_SERVER_ERROR  # and above
REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
TRIES = 2  # of a request, as long as nothing of its answer has been sent on
PROBE = "Good morning. 你好！"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class VllmConfig:
    url: str
    sizes: Sizes  # of a linear layer of the base, that an adapter of zeros is for
    kept: Path  # where blends are written while it runs; the server sees it under the same path
    key: str | None = None  # that the server asks for
    context_length: int | None = None  # [tokens]; the server's own if None
    max_requests: int = 272  # running and waiting; the server has a queue of its own


class VllmEngine:
    """An `Engine`. The base is named by the only model of the server that is no adapter."""

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
        self._client: VllmClient | None = None
        self._residents: Residents | None = None
        self._watching: asyncio.Task[None] | None = None
        self._context_length = config.context_length or 0
        self._stack = ExitStack()
        self._is_away = False
        self._num_running = 0
        self._num_prompt_tokens = 0

    @property
    def context_length(self) -> int:
        return self._context_length

    async def start(self) -> None:
        """Raises EngineFailed where the server is not there, or is no vLLM with one base."""
        config, client = self._config, VllmClient(self._config.url, self._config.key)
        try:
            base = _base_of(await client.cards(), config.url)
        except (ServerAway, ServerRefused) as error:
            await client.close()
            raise EngineFailed(
                f"The vLLM server at {config.url} cannot be used: {error}"
            ) from error
        most = base.context_length or config.context_length or 0
        self._context_length = min(most, config.context_length or most)
        prompt_ids = self._tokenizer.encode(PROBE, add_special_tokens=False)
        kept = self._stack.enter_context(_kept_in(config.kept))
        residents = Residents(client, base.name, prompt_ids, kept, config.sizes, self._confirm)
        try:
            async with residents.using(()):
                pass
        except (ServerAway, AdapterRefused, EngineFailed) as error:
            self._stack.close()
            await client.close()
            raise EngineFailed(f"The vLLM server cannot be used: {error}") from error
        self._client, self._residents = client, residents
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        client, self._client = self._client, None
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        if client is not None:
            await client.close()
        self._stack.close()

    async def load(self, adapter: AdapterRef) -> LoadReport:
        _, residents = self._opened()
        try:
            async with residents.using(((adapter, 1.0),)):
                pass
        except ServerAway as error:
            raise EngineFailed(str(error)) from error
        return await asyncio.to_thread(_report, adapter)

    async def unload(self, adapter: AdapterRef) -> int:
        _, residents = self._opened()
        is_held = residents.holds(adapter)
        await residents.drop(adapter)
        return _size(adapter) if is_held else 0

    def holds(self, adapter: AdapterRef) -> bool:
        return self._residents is not None and self._residents.holds(adapter)

    def stats(self) -> EngineStats:
        residents = self._residents
        return EngineStats(
            is_running=self._client is not None and not self._is_away,
            num_running=self._num_running,
            num_resident_adapters=0 if residents is None else len(residents),
            num_adapter_loads=0 if residents is None else residents.num_loads,
            num_adapter_evictions=0 if residents is None else residents.num_evictions,
            num_prompt_tokens=self._num_prompt_tokens,
            engine="vllm",
        )

    async def submit(self, request: Request) -> AsyncGenerator[Delta]:
        self._check(request)
        self._num_running += 1
        self._num_prompt_tokens += len(request.prompt_ids)
        try:
            async with aclosing(self._answer(request)) as deltas:
                async for delta in deltas:
                    yield delta
        finally:
            self._num_running -= 1

    async def _answer(self, request: Request) -> AsyncGenerator[Delta]:
        """Asked once more where the server has forgotten the adapter or was away, and nothing of
        the answer has come."""
        client, residents = self._opened()
        for number in range(1, TRIES + 1):
            answer = ComingAnswer(request, self._tokenizer)
            try:
                async with (
                    residents.using(request.blend) as name,
                    aclosing(client.stream(body_of(request, name))) as choices,
                ):
                    async for choice in choices:
                        yield answer.read(choice)
                        if answer.is_finished:
                            return
                raise ServerAway("The vLLM server has ended an answer in its middle.")
            except ServerAway as error:
                if number == TRIES or answer.num_tokens:
                    raise EngineFailed(str(error)) from error
            except ServerRefused as error:
                may_pass = error.status == HTTPStatus.NOT_FOUND or error.status >= SERVERS_FAULT
                if answer.num_tokens or number == TRIES or not may_pass:
                    raise _meaning(error, request) from error
            with suppress(ServerAway, ServerRefused):
                await residents.look()

    async def _watch(self) -> None:
        """See that the server has what it was given."""
        _, residents = self._opened()
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                await residents.look()
                self._tell_away(None)
            except (ServerAway, ServerRefused) as error:
                self._tell_away(error)

    def _tell_away(self, error: Exception | None) -> None:
        if (is_away := error is not None) != self._is_away:
            self._is_away = is_away
            logger.warning("%s: %s", self._config.url, error or "it answers again")

    def _check(self, request: Request) -> None:
        self._opened()
        check_request(request, self._context_length, self._vocab_size)
        if self._num_running >= self._config.max_requests:
            raise EngineBusy(f"{self._num_running} requests run or wait already.")

    def _opened(self) -> tuple[VllmClient, Residents]:
        if self._client is None or self._residents is None:
            raise EngineFailed("The engine has stopped.")
        return self._client, self._residents


@contextmanager
def _kept_in(folder: Path) -> Generator[Path]:
    """A folder that is gone afterwards. Raises EngineFailed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with new_folder(folder) as kept:
            kept.chmod(0o755)  # the server may run as somebody else
            yield kept
    except OSError as error:
        raise EngineFailed(f"Nothing can be written into {folder}: {error.strerror}.") from error


def _base_of(cards: list[Card], url: str) -> Card:
    bases = [card for card in cards if card.parent is None]
    if len(bases) != 1:
        names = ", ".join(card.name for card in bases) or "none"
        raise EngineFailed(f"The vLLM server at {url} should serve one base, and has {names}.")
    return bases[0]


def _meaning(error: ServerRefused, request: Request) -> ServingError:
    if request.sampling.json_schema is not None and error.status in REFUSALS:
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
