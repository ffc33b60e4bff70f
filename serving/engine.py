"""What an engine is: the one interface between the service and whatever computes tokens."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, get_args, runtime_checkable

from finetune.hardware import Precision

FinishReason = Literal["stop", "length"]
ServedPrecision = Literal["auto"] | Precision
PRECISIONS: tuple[ServedPrecision, ...] = ("auto", *get_args(Precision))


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLimits:
    """How much an engine takes on."""

    max_rows: int = 16  # requests computed together
    max_waiting: int = 256  # requests queued beyond them
    chunk_tokens: int = 256  # of prompts, computed in one step beside the running rows
    context_length: int | None = None  # [tokens]; the base's own if None
    kv_bytes: int = 2 << 30  # of keys and values; at least one request's full context
    adapter_bytes: int = 4 << 30  # of adapters in memory beyond those in use


@dataclass(frozen=True, slots=True)
class AdapterRef:
    """One immutable adapter version. Caches are keyed by `sha256`, never by name."""

    name: str
    version: str
    sha256: str
    folder: Path

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


Blend = tuple[tuple[AdapterRef, float], ...]
"""Adapters with their scales, summed; empty for the base alone."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. Temperature 0 is greedy."""

    max_tokens: int = 256  # [tokens]
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0  # 0: all
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    logit_bias: tuple[tuple[int, float], ...] = ()  # (token id, added to its logit)
    top_logprobs: int | None = None  # alternatives told per token; None: no log probabilities
    json_schema: str | None = None  # the answer is a JSON text that this schema accepts


@dataclass(frozen=True, slots=True)
class Request:
    id: str
    prompt_ids: tuple[int, ...]
    end_ids: tuple[int, ...] = ()  # tokens that end the answer, by the chat template
    blend: Blend = ()
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """Natural logarithms of the model's own probabilities: before temperature, penalties, bias
    and grammar."""

    token_id: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()  # the likeliest (token id, logprob), best first


@dataclass(frozen=True, slots=True)
class Delta:
    """What one step added to an answer. The last one carries `finish_reason`."""

    token_ids: tuple[int, ...] = ()
    text: str = ""
    finish_reason: FinishReason | None = None
    cached_tokens: int = 0  # prompt tokens that were not computed again
    logprobs: tuple[TokenLogprob, ...] = ()  # one for each token id, where asked for


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What of an adapter found its place in the base; matching nothing is a refusal."""

    matched: tuple[str, ...]
    num_bytes: int  # host memory taken
    unmatched: tuple[str, ...] = ()  # of engines that go without those; ours refuse


ServerState = Literal["ready", "away", "draining", "resting"]
"""resting: it has failed several times, and is tried again in a while."""


@dataclass(frozen=True, slots=True)
class ServerStats:
    """A server that computes for an engine."""

    url: str
    state: ServerState
    reason: str | None = None  # why it is away
    num_running: int = 0
    num_requests: int = 0  # so far, like all that follow
    num_failures: int = 0
    num_restarts: int = 0  # that were noticed
    num_adapter_loads: int = 0
    num_adapter_evictions: int = 0
    adapters: tuple[str, ...] = ()  # that it has proven to answer with, as it calls them


@dataclass(frozen=True, slots=True)
class EngineStats:
    num_running: int = 0
    num_waiting: int = 0
    num_resident_adapters: int = 0
    num_resident_bytes: int = 0
    max_resident_bytes: int = 0  # of adapters that no request needs
    num_blocks: int = 0  # of the KV cache
    num_free_blocks: int = 0  # those that only remember a prefix count as free
    num_prompt_tokens: int = 0  # of all requests so far
    num_cached_tokens: int = 0  # of them, those found in the prefix cache
    num_preemptions: int = 0
    num_adapter_loads: int = 0  # into memory, so far
    num_adapter_evictions: int = 0  # from memory, so far
    is_compiled: bool = False
    is_compiling: bool = False  # code to compute with from then on
    engine: str = ""  # by the name that people know
    precision: str = ""  # that the base's weights are held in
    kernel: str = ""  # that computes their products, if compiled code does
    num_threads: int = 0  # that compute a step
    cores_elsewhere: float = 0.0  # that other programs use
    is_running: bool = True  # False before it has started, and once it has ended
    servers: tuple[ServerStats, ...] = ()  # of an engine that computes elsewhere


class Engine(Protocol):
    """Many requests, each on its own blend of adapters, on one base model."""

    @property
    def context_length(self) -> int:
        """The most tokens that prompt and answer may have together."""
        ...

    async def start(self) -> None:
        """Load the base and begin to take requests."""
        ...

    async def stop(self) -> None:
        """End every running request with EngineFailed and free the base."""
        ...

    async def load(self, adapter: AdapterRef) -> LoadReport:
        """Bring an adapter into memory ahead of its first request.

        Raises AdapterRefused where it is damaged or does not fit the base.
        """
        ...

    async def unload(self, adapter: AdapterRef) -> int:
        """Drop an adapter from memory as soon as no running request needs it.

        Returns the bytes that this frees; 0 where it is not in memory.
        """
        ...

    def holds(self, adapter: AdapterRef) -> bool:
        """Whether an adapter is in memory."""
        ...

    def stats(self) -> EngineStats: ...

    def submit(self, request: Request) -> AsyncGenerator[Delta]:
        """Stream the answer. Closing the iterator cancels the request.

        Raises PromptTooLong, SchemaRefused, BiasRefused, AdapterRefused, EngineBusy or
        EngineFailed at the first step of the iteration, and EngineFailed later if a step fails.
        """
        ...


@runtime_checkable
class HasServers(Protocol):
    """An engine that computes at servers, which come and go."""

    def drain(self, url: str, *, is_draining: bool) -> bool:
        """Ask nothing more of a server, or ask it again; False where there is none of that URL."""
        ...
