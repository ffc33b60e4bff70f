"""An engine that recites: for tests and demos of the service, without a model."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Mapping

from .engine import (
    AdapterRef,
    Delta,
    EngineStats,
    LoadReport,
    Request,
    ServerState,
    ServerStats,
    TokenLogprob,
)
from .errors import AdapterRefused, EngineFailed, PromptTooLong

Names = tuple[str, ...]
Answers = Callable[[Names], str] | Mapping[Names, str]
PIECE = 3  # [characters] of a token
ADAPTER_SIZE = 1000  # [bytes]


class ScriptedEngine:
    """Answers by the names of a request's adapters; `()` names the base.

    Records every request, every cancellation and every adapter it was told to hold.
    """

    def __init__(
        self,
        answers: Answers | None = None,
        *,
        default: str = "I am the base model.",
        delay: float = 0.0,  # [seconds] before each token
        failure: Exception | None = None,
        fail_at: int = 0,  # the index of the token in whose place `failure` is raised
        context_length: int = 2048,
        modules: Names = ("layers.0.self_attn.q_proj",),  # that every adapter matches
        adapter_bytes: int = 4 << 30,  # that adapters may take in memory
        piece: int = PIECE,
        servers: Names = (),  # URLs of those that would compute
    ) -> None:
        self._answers = {} if answers is None else answers
        self._default = default
        self._delay = delay
        self._failure = failure
        self._fail_at = fail_at
        self._context_length = context_length
        self._modules = modules
        self._adapter_bytes = adapter_bytes
        self._piece = piece
        self._draining = dict.fromkeys(servers, False)
        self.is_started = False
        self.num_tokens = 0  # of all answers so far
        self.requests: list[Request] = []
        self.cancelled: list[Request] = []
        self.running: dict[str, Request] = {}
        self.adapters: dict[str, AdapterRef] = {}  # by sha256

    @property
    def context_length(self) -> int:
        return self._context_length

    async def start(self) -> None:
        self.is_started = True

    async def stop(self) -> None:
        self.is_started = False

    async def load(self, adapter: AdapterRef) -> LoadReport:
        if not self._modules:
            raise AdapterRefused("does not fit this base: it holds nothing.", adapter)
        self.adapters[adapter.sha256] = adapter
        return LoadReport(self._modules, ADAPTER_SIZE)

    async def unload(self, adapter: AdapterRef) -> int:
        return 0 if self.adapters.pop(adapter.sha256, None) is None else ADAPTER_SIZE

    def holds(self, adapter: AdapterRef) -> bool:
        return adapter.sha256 in self.adapters

    def stats(self) -> EngineStats:
        return EngineStats(
            is_running=self.is_started,
            num_running=len(self.running),
            num_resident_adapters=len(self.adapters),
            num_resident_bytes=len(self.adapters) * ADAPTER_SIZE,
            max_resident_bytes=self._adapter_bytes,
            engine="scripted",
            servers=tuple(self._server(url) for url in self._draining),
        )

    def drain(self, url: str, *, is_draining: bool) -> bool:
        if url in self._draining:
            self._draining[url] = is_draining
        return url in self._draining

    async def submit(self, request: Request) -> AsyncGenerator[Delta]:
        self.requests.append(request)
        self.running[request.id] = request
        try:
            self._check_length(request)
            for index, delta in enumerate(self._script(request)):
                await asyncio.sleep(self._delay)
                self._check_step(index)
                self.num_tokens += len(delta.token_ids)
                yield delta
        except (GeneratorExit, asyncio.CancelledError):
            self.cancelled.append(request)
            raise
        finally:
            del self.running[request.id]

    def _server(self, url: str) -> ServerStats:
        state: ServerState = "draining" if self._draining[url] else "ready"
        names = tuple(f"{ref.name}@{ref.sha256[:12]}" for ref in self.adapters.values())
        return ServerStats(url, state, num_running=len(self.running), adapters=names)

    def _script(self, request: Request) -> list[Delta]:
        text = self._answer(tuple(ref.name for ref, _ in request.blend))
        size = self._piece
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        shown = pieces[: request.sampling.max_tokens]
        count = request.sampling.top_logprobs
        deltas = [
            Delta((index,), piece, logprobs=_made_up(index, count))
            for index, piece in enumerate(shown)
        ]
        return [*deltas, Delta(finish_reason="length" if len(shown) < len(pieces) else "stop")]

    def _answer(self, names: Names) -> str:
        if callable(self._answers):
            return self._answers(names)
        return self._answers.get(names, self._default)

    def _check_length(self, request: Request) -> None:
        prompt, answer = len(request.prompt_ids), request.sampling.max_tokens
        if prompt + answer > self._context_length:
            raise PromptTooLong(prompt, answer, self._context_length)

    def _check_step(self, index: int) -> None:
        if not self.is_started:
            raise EngineFailed("The engine has stopped.")
        if self._failure is not None and index == self._fail_at:
            raise self._failure


def _made_up(token_id: int, count: int | None) -> tuple[TokenLogprob, ...]:
    """Each next token is half as likely as the one before: well-formed, and no more than that."""
    if count is None:
        return ()
    likeliest = [(token_id + rank, -(rank + 1) * math.log(2)) for rank in range(count)]
    return (TokenLogprob(token_id, -math.log(2), tuple(likeliest)),)
