"""Answers of one server: first token, prompts, one and eight streams, eight adapters."""

from dataclasses import dataclass, replace

from benchmarks.adapters import make_adapters
from benchmarks.serving.peak import peak_products
from benchmarks.serving.plan import measure_load
from service.bench.figures import Figures
from service.bench.load import WARM_UP, WARM_UP_TOKENS, Load, Target

from .bare import memory_bandwidth
from .loading import OURS, memory_of, watched_server
from .sitting import SEED, Sitting

FIRST, PROMPT = "one stream", "a long prompt"
EIGHT, ADAPTERS = "eight streams", "eight streams, eight adapters"
MEMORY, WITH_ADAPTERS = "serving the base", "serving adapters, too"
LOOPS, PRODUCTS = "bare loops", "products from registers"
BEFORE, AFTER = "memory before the answers", "memory after the answers"
NUM_ADAPTERS = 8
TRIES = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """What one load asks for."""

    streams: int
    num_requests: int
    prompt_tokens: int  # about
    output_tokens: int
    has_adapters: bool = False

    def load(self, url: str, targets: tuple[Target, ...]) -> Load:
        return Load(
            url,
            targets,
            concurrency=self.streams,
            num_requests=self.num_requests,
            prompt_tokens=self.prompt_tokens,
            output_tokens=self.output_tokens,
            seed=SEED,
        )


LOADS = {
    FIRST: Asked(1, 3, 30, 64),
    PROMPT: Asked(1, 3, 500, 1),
    EIGHT: Asked(8, 16, 30, 64),
    ADAPTERS: Asked(8, 16, 30, 64, has_adapters=True),
}


def loads_of(sitting: Sitting) -> dict[str, Asked]:
    """Fewer where only a rehearsal is wanted, or answers are slow."""
    if sitting.is_short:
        short = {"num_requests": 2, "prompt_tokens": 8, "output_tokens": 4}
        return {name: replace(asked, **short) for name, asked in LOADS.items()}
    if sitting.shape.num_parameters < 2e9:
        return LOADS
    fewer = {FIRST: (2, 32), PROMPT: (2, 1), EIGHT: (8, 32), ADAPTERS: (8, 32)}
    return {
        name: replace(LOADS[name], num_requests=count, output_tokens=tokens)
        for name, (count, tokens) in fewer.items()
    }


def measure_answers(sitting: Sitting) -> None:
    """All loads on one server, and what its memory was in the end; bare loops before and after."""
    sitting.measure(LOOPS, PRODUCTS, lambda: {"products_per_second": _products(sitting)})
    missing = [name for name in loads_of(sitting) if sitting.lacks(OURS, name)]
    if not missing and not sitting.lacks(OURS, WITH_ADAPTERS):
        return
    adapters = make_adapters(sitting.home, sitting.base, count=NUM_ADAPTERS)
    sitting.measure(LOOPS, BEFORE, lambda: _bandwidth(sitting))
    with watched_server(sitting, "answers", sitting.base) as (server, watch):
        for name, asked in loads_of(sitting).items():
            if asked.has_adapters:
                sitting.measure(OURS, MEMORY, lambda: memory_of(watch))
            models = [*adapters] if asked.has_adapters else [sitting.base.name]
            load = asked.load(server.url, tuple(map(Target, models)))
            sitting.measure(OURS, name, lambda load=load: figures_of(load))
        sitting.measure(OURS, WITH_ADAPTERS, lambda: memory_of(watch))
    sitting.measure(LOOPS, AFTER, lambda: _bandwidth(sitting))


def figures_of(load: Load) -> Figures:
    """What it shows, and how many tokens were computed in all, those to warm up among them."""
    figures = measure_load(load).figures
    prompt = figures["mean_prompt_tokens"] or 0
    warming = max(WARM_UP, len(load.targets)) * (prompt + min(WARM_UP_TOKENS, load.output_tokens))
    return {
        **figures,
        "num_tokens": warming + load.num_requests * (prompt + load.output_tokens),
    }


def _bandwidth(sitting: Sitting) -> Figures:
    return {"read_bytes_per_second": memory_bandwidth(sitting.threads)}


def _products(sitting: Sitting) -> float | None:
    """The best of several, which take so little time that others disturb them."""
    found = [peak_products(sitting.threads) for _ in range(TRIES)]
    return max((rate for rate in found if rate), default=None)
