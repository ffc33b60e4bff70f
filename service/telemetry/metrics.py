"""What /metrics tells: counts, times and what the engine holds, in a registry of its own."""

from collections.abc import Iterable, Iterator, Sequence
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from serving.engine import Blend, Engine, ServerState, ServerStats

from .job_metrics import JobMetrics
from .request_record import RequestRecord

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
BLEND = "blend"
OTHER = "other"
Family = GaugeMetricFamily | CounterMetricFamily

# Names of EngineStats: what they are called, what they mean.
GAUGES = {
    "num_running": ("requests_running", "Requests being computed"),
    "num_waiting": ("requests_waiting", "Requests queued"),
    "num_blocks": ("kv_blocks", "Blocks of the KV cache, 16 tokens each"),
    "num_resident_adapters": ("resident_adapters", "Adapters in memory"),
    "num_threads": ("threads", "Threads that compute a step"),
    "cores_elsewhere": ("cores_elsewhere", "Cores that other programs use"),
    "num_resident_bytes": ("resident_adapter_bytes", "Memory that adapters take"),
}
COUNTERS = {
    "num_prompt_tokens": ("engine_prompt_tokens", "Tokens of prompts the engine has taken"),
    "num_cached_tokens": ("prefix_cached_tokens", "Those found in the prefix cache"),
    "num_preemptions": ("preemptions", "Requests set aside for want of KV blocks"),
    "num_adapter_loads": ("adapter_loads", "Adapters brought into memory"),
    "num_adapter_evictions": ("adapter_evictions", "Adapters that have left memory"),
}

# Names of ServerStats, of each server that computes for the engine.
SERVER_GAUGES = {"num_running": ("server_requests_running", "Requests that run at a server")}
SERVER_COUNTERS = {
    "num_requests": ("server_requests", "Requests that a server was asked"),
    "num_failures": ("server_failures", "Those of them that the server has failed"),
    "num_restarts": ("server_restarts", "Restarts of a server that were noticed"),
    "num_adapter_loads": ("server_adapter_loads", "Adapters that a server was given"),
    "num_adapter_evictions": ("server_adapter_evictions", "Adapters that were taken from it"),
}


class Metrics:
    """All instruments. Labels name the base and `max_names` adapters, never what clients say."""

    def __init__(self, engine: Engine, base: str, version: str, max_names: int) -> None:
        self._registry = CollectorRegistry()
        self._base = base
        self._max_names = max_names
        self._names: set[str] = set()
        ProcessCollector(registry=self._registry)
        self._registry.register(EngineCollector(engine, max_names))
        info = self._gauge("info", "The version and the base", "version", "base")
        info.labels(version, base).set(1)
        self._requests = self._counter(
            "http_requests", "Requests answered", "endpoint", "status", "model"
        )
        self._request_seconds = self._histogram(
            "http_request_seconds", "From a request's arrival to the end of its answer", "endpoint"
        )
        self.prompt_tokens = self._counter("prompt_tokens", "Tokens of prompts", "model")
        self.completion_tokens = self._counter("completion_tokens", "Tokens answered", "model")
        self.answers = self._counter("answers", "Answers, by how they ended", "model", "finish")
        self._adapters = self._counter("adapter_requests", "Answers that use an adapter", "adapter")
        self.first_token_seconds = self._histogram(
            "time_to_first_token_seconds", "From the queue to the first token"
        )
        self.token_seconds = self._histogram(
            "time_between_tokens_seconds", "From one token of an answer to the next"
        )

    def of_jobs(self, unfinished: Iterable[str], ended: Iterable[str]) -> JobMetrics:
        """What is told of jobs, by the statuses that they have before and when they end."""
        return JobMetrics(self._registry, unfinished, ended)

    def model(self, blend: Blend) -> str:
        """The label of what answers."""
        if not blend:
            return self._base
        return self._known(blend[0][0].name) if len(blend) == 1 else BLEND

    def count_adapters(self, blend: Blend) -> None:
        for ref, _ in blend:
            self._adapters.labels(self._known(ref.name)).inc()

    def count_request(self, endpoint: str, record: RequestRecord) -> None:
        self._requests.labels(endpoint, str(record.status), record.model).inc()
        self._request_seconds.labels(endpoint).observe(record.seconds)

    def page(self) -> bytes:
        return generate_latest(self._registry)

    def _known(self, name: str) -> str:
        """Every label costs memory for ever: the first names get their own, the rest share one."""
        if name not in self._names and len(self._names) < self._max_names:
            self._names.add(name)
        return name if name in self._names else OTHER

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"lora_chat_{name}", meaning, labels, registry=self._registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"lora_chat_{name}", meaning, labels, registry=self._registry)

    def _histogram(self, name: str, meaning: str, *labels: str) -> Histogram:
        return Histogram(
            f"lora_chat_{name}", meaning, labels, registry=self._registry, buckets=SECONDS
        )


class EngineCollector(Collector):
    """Asks the engine when somebody looks."""

    def __init__(self, engine: Engine, max_names: int) -> None:
        self._engine = engine
        self._max_names = max_names

    def collect(self) -> Iterator[Family]:
        stats = self._engine.stats()
        used = stats.num_blocks - stats.num_free_blocks
        yield GaugeMetricFamily("lora_chat_kv_blocks_used", "Those in use", value=used)
        for field, (name, meaning) in GAUGES.items():
            yield GaugeMetricFamily(f"lora_chat_{name}", meaning, value=getattr(stats, field))
        for field, (name, meaning) in COUNTERS.items():
            yield CounterMetricFamily(f"lora_chat_{name}", meaning, value=getattr(stats, field))
        yield from self._of_servers(stats.servers)

    def _of_servers(self, servers: Sequence[ServerStats]) -> Iterator[Family]:
        if not servers:
            return
        state = GaugeMetricFamily(
            "lora_chat_server_state", "1 for how a server is", labels=("server", "state")
        )
        loaded = GaugeMetricFamily(
            "lora_chat_server_adapter_loaded",
            "1 for an adapter that a server has proven to answer with",
            labels=("server", "adapter"),
        )
        for server in servers:
            for each in get_args(ServerState):
                state.add_metric((server.url, each), each == server.state)
            for name in server.adapters[-self._max_names :] if self._max_names else ():
                loaded.add_metric((server.url, name), 1)
        yield from (state, loaded)
        for kind, named in (
            (GaugeMetricFamily, SERVER_GAUGES),
            (CounterMetricFamily, SERVER_COUNTERS),
        ):
            for field, (name, meaning) in named.items():
                family = kind(f"lora_chat_{name}", meaning, labels=("server",))
                for server in servers:
                    family.add_metric((server.url,), getattr(server, field))
                yield family
