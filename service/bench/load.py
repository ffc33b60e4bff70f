"""Load on an OpenAI-compatible server: who asks for which adapter, when, and what comes back."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from random import Random
from typing import Any

import httpx
from pydantic import BaseModel, ValidationError

from service.client.stream import Reading, StreamBroken, error_message
from service.errors import ServerRefused
from service.http.endpoints import CHAT, LIST_MODELS, root_of

from .measurement import Failure, MeasuredAnswer, Measurement
from .prompts import Prompts

# A server that says nothing for so long has lost the request. [seconds]
TIMEOUT = httpx.Timeout(600, connect=10)
# Each request has its own connection, as those of many users have. A server with one thread for
# each connection (llama-server) would let kept ones hold all its threads while others wait.
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=0)
WARM_UP = 4  # requests, at the least
WARM_UP_TOKENS = 8  # of their answers, at the most
# llama-server takes an empty list for no wish, and applies what it was started with.
NO_ADAPTER = ({"id": 0, "scale": 0.0},)

Progress = Callable[[int], None]
Ask = Callable[[int], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Target:
    """What a request asks for: a model, or adapters on it by their numbers in llama-server."""

    model: str
    lora_ids: tuple[int, ...] | None = None  # (): the model without any adapter

    @property
    def label(self) -> str:
        if self.lora_ids is None:
            return self.model
        return f"lora {'+'.join(map(str, self.lora_ids))}" if self.lora_ids else "no adapter"

    @property
    def fields(self) -> dict[str, Any]:
        """The target's fields of a request's body."""
        if self.lora_ids is None:
            return {"model": self.model}
        loras = [{"id": lora_id, "scale": 1.0} for lora_id in self.lora_ids]
        return {"model": self.model, "lora": loras or list(NO_ADAPTER)}


@dataclass(frozen=True, slots=True)
class Load:
    """Requests to one server. With a rate they come when they come, `concurrency` or not."""

    url: str
    targets: tuple[Target, ...]
    concurrency: int = 8  # requests at a time; the next one is sent when one has ended
    num_requests: int = 64
    rate: float | None = None  # [requests/second] on average
    prompt_tokens: int = 60  # about
    output_tokens: int = 64
    shared_prefix_tokens: int = 0  # about; of a system prompt that all requests share
    seed: int = 0
    api_key: str | None = field(default=None, repr=False)
    extra_body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    target_weights: tuple[float, ...] | None = None  # drawn by these; without, each in its turn

    def chosen_targets(self) -> list[Target]:
        """One for each request."""
        if self.target_weights is None:
            return [self.targets[i % len(self.targets)] for i in range(self.num_requests)]
        random = Random(f"{self.seed} targets")
        return random.choices(self.targets, self.target_weights, k=self.num_requests)

    def arrival_times(self) -> list[float]:
        """When each request of an open loop is sent. [seconds] after the first"""
        if self.rate is None:
            raise ValueError("A load without a rate has no arrival times.")
        random = Random(f"{self.seed} arrivals")
        gaps = [random.expovariate(self.rate) for _ in range(self.num_requests - 1)]
        return list(accumulate(gaps, initial=0.0))


class _ListedModel(BaseModel):
    id: str


class _ListedModels(BaseModel):
    data: list[_ListedModel]


async def measure(load: Load, progress: Progress | None = None) -> Measurement:
    """Warm the server up, then send the load; `progress` gets the number of ended requests.

    Raises ServerRefused where no server answers. Failed requests are part of the measurement.
    """
    targets = load.chosen_targets()
    outcomes: dict[int, MeasuredAnswer | Failure] = {}
    async with _client(load.url, load.api_key) as client:
        await _get_models(client)  # whatever it answers, somebody is there
        await _warm_up(client, load)
        requests = _requests(client, load, targets)

        async def ask(index: int) -> None:
            outcomes[index] = await _ask(client, requests[index], targets[index].label)
            if progress is not None:
                progress(len(outcomes))

        begin = time.perf_counter()
        if load.rate is None:
            await _closed_loop(ask, range(len(targets)), load.concurrency)
        else:
            await _open_loop(ask, load.arrival_times())
        seconds = time.perf_counter() - begin
    return Measurement(seconds, tuple(outcomes[index] for index in range(len(targets))))


async def list_models(url: str, api_key: str | None = None) -> tuple[str, ...]:
    """The models that a server lists. Raises ServerRefused where it lists none."""
    async with _client(url, api_key) as client:
        response = await _get_models(client)
    if response.is_error:
        raise ServerRefused(f"{url} does not list its models: {error_message(response.text)}")
    try:
        listed = _ListedModels.model_validate_json(response.content).data
    except ValidationError as error:
        raise ServerRefused(f"{url} is no OpenAI-compatible server.") from error
    if not listed:
        raise ServerRefused(f"{url} has no models.")
    return tuple(model.id for model in listed)


def _client(url: str, api_key: str | None) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    return httpx.AsyncClient(base_url=root_of(url), headers=headers, timeout=TIMEOUT, limits=LIMITS)


async def _get_models(client: httpx.AsyncClient) -> httpx.Response:
    try:
        return await client.get(LIST_MODELS.path)
    except httpx.HTTPError as error:
        raise ServerRefused(
            f"{client.base_url} does not answer: {error}. Start a server with `lora-chat serve`."
        ) from error


async def _warm_up(client: httpx.AsyncClient, load: Load) -> None:
    """Ask every target once, so that adapters are loaded and kernels compiled."""
    number = max(WARM_UP, len(load.targets))
    targets = [load.targets[index % len(load.targets)] for index in range(number)]
    short = replace(load, output_tokens=min(WARM_UP_TOKENS, load.output_tokens))
    # Prompts that no measured request has: these may be in a cache from now on.
    requests = _requests(client, short, targets, first=load.num_requests)

    async def ask(index: int) -> None:
        await _ask(client, requests[index], targets[index].label)

    await _closed_loop(ask, range(number), load.concurrency)


async def _closed_loop(ask: Ask, indices: Iterable[int], concurrency: int) -> None:
    """Every worker takes the next request as soon as its last one has ended."""
    waiting = iter(indices)

    async def work() -> None:
        for index in waiting:
            await ask(index)

    async with asyncio.TaskGroup() as workers:
        for _ in range(concurrency):
            workers.create_task(work())


async def _open_loop(ask: Ask, arrival_times: Iterable[float]) -> None:
    """Every request is sent at its time, however many are running."""
    begin = time.perf_counter()
    async with asyncio.TaskGroup() as requests:
        for index, arrival in enumerate(arrival_times):
            await asyncio.sleep(begin + arrival - time.perf_counter())
            requests.create_task(ask(index))


def _requests(
    client: httpx.AsyncClient, load: Load, targets: Sequence[Target], first: int = 0
) -> list[httpx.Request]:
    """All of them beforehand: writing them would take time from measuring."""
    prompts = Prompts(load.seed)
    shared = prompts.shared(load.shared_prefix_tokens)
    system = [{"role": "system", "content": shared}] if shared else []
    bodies = [
        {
            **target.fields,
            "messages": [*system, {"role": "user", "content": prompt}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0,
            "max_tokens": load.output_tokens,
            "ignore_eos": True,
            **load.extra_body,
        }
        for index, target in enumerate(targets, start=first)
        for prompt in [prompts.question(index, load.prompt_tokens)]
    ]
    return [client.build_request("POST", CHAT.path, json=body) for body in bodies]


async def _ask(
    client: httpx.AsyncClient, request: httpx.Request, target: str
) -> MeasuredAnswer | Failure:
    reading = Reading()
    sent = time.perf_counter()
    try:
        async with aclosing(await client.send(request, stream=True)) as response:
            await _read(response, reading)
    except StreamBroken as error:
        return Failure(target, error.kind, str(error))
    except httpx.HTTPError as error:
        return Failure(target, type(error).__name__, str(error))
    times = reading.token_times
    return MeasuredAnswer(
        target=target,
        first_token=times[0] - sent if times else None,
        gaps=tuple(later - earlier for earlier, later in pairwise(times)),
        counts=reading.counts,
    )


async def _read(response: httpx.Response, reading: Reading) -> None:
    if response.is_error:
        await response.aread()
        raise StreamBroken(f"HTTP {response.status_code}", error_message(response.text))
    async for received in response.aiter_bytes():
        reading.take(received, time.perf_counter())
    reading.end(time.perf_counter())
