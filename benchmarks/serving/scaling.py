"""How our server does with a thousand registered adapters, of which some are asked far more often.

The mix is a power law: the n-th adapter is asked 1/n times as often as the first. Adapters are
registered while the server runs, as a user registers them: their folders appear under home.
"""

import shutil
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from random import Random
from statistics import median

import httpx

from service.bench.figures import Figures
from service.bench.load import Load, Target
from service.bench.prompts import Prompts

from .bench import PROMPT_TOKENS, Bench, load_of
from .ours import OURS, OurServer, our_server, time_answer
from .plan import Measure, Measured, Plan, Workload, measure_load
from .pool import Pool

REGISTERED = (1, 5, 8, 100, 1000)
STREAMS = 16
MOST_ASKED = 16  # adapters that are asked before the measurement, as a server has been
NUM_EARLIER = 320  # requests of the same mix, after which most of those asked are in memory
EARLIER_TOKENS = 2
MANY = 16  # registered adapters, from which on the requests before make a difference
FRESH = 10  # adapters to be timed from disk to the first token
FRESH_TOKENS = 4


@dataclass(frozen=True, slots=True)
class PowerLaw(Load):
    """Warms up with `targets` alone, and asks all that are registered."""

    registered: tuple[Target, ...] = ()

    def chosen_targets(self) -> list[Target]:
        weights = [1 / rank for rank in range(1, len(self.registered) + 1)]
        random = Random(f"{self.seed} power law")
        return random.choices(self.registered, weights, k=self.num_requests)


def num_needed(registered: Sequence[int]) -> int:
    """How many adapters the pool must have."""
    return max(registered) + FRESH


def scaling_plan(bench: Bench, pool: Pool, registered: Sequence[int]) -> Plan:
    """One server, to which adapters are added; then those that it has not seen."""
    workloads: list[Workload] = []
    for count in sorted(registered):
        one = replace(bench.workload("power law", STREAMS), num_registered=count)
        workloads.append(replace(one, setting=f"{count} registered"))
        if count > MANY:
            later = f"{count} registered, {NUM_EARLIER} requests before"
            workloads.append(replace(one, setting=later, num_earlier=NUM_EARLIER))
    workloads.append(Workload("fresh", 1, FRESH, num_tokens=FRESH_TOKENS))
    return Plan("scaling", OURS, tuple(workloads), partial(_open, bench, pool))


@contextmanager
def _open(bench: Bench, pool: Pool) -> Generator[Measure]:
    pool.fill()
    with (
        _empty_home(bench.home) as home,
        our_server(home, log=bench.log("scaling")) as server,
    ):
        is_compiled = server.wait_until_compiled()

        def measure(workload: Workload, seed: int) -> Measured:
            if workload.mix == "fresh":
                return _time_fresh(server, pool, home, workload, seed)
            measured = _measure(server, pool, home, workload, seed)
            return Measured(measured.figures, {**measured.details, "is_compiled": is_compiled})

        yield measure


@contextmanager
def _empty_home(home: Path) -> Generator[Path]:
    """A home without adapters, with the same base and the same compiled code."""
    empty = Path(tempfile.mkdtemp(prefix=".scaling-", dir=home))
    try:
        (empty / "adapters").mkdir()
        for name in ("bases", "compiled"):
            (home / name).mkdir(exist_ok=True)
            (empty / name).symlink_to(home / name)
        yield empty
    finally:
        shutil.rmtree(empty, ignore_errors=True)


def _measure(server: OurServer, pool: Pool, home: Path, workload: Workload, seed: int) -> Measured:
    registering = _register(server, pool, home, workload.num_registered)
    load = _power_law(server.url, workload, seed)
    if workload.num_earlier:
        earlier = replace(
            load, num_requests=workload.num_earlier, output_tokens=EARLIER_TOKENS, seed=seed + 1
        )
        measure_load(earlier)
    measured = measure_load(load)
    health = server.health()
    resident: Figures = {
        "resident_adapters": health["resident_adapters"],
        "resident_bytes": health["resident_bytes"],
        "disk_bytes_per_adapter": pool.bytes_per_adapter,
    }
    distinct = len({target.model for target in load.chosen_targets()})
    figures = measured.figures | registering | resident | {"distinct_adapters": distinct}
    return Measured(figures, measured.details)


def _power_law(url: str, workload: Workload, seed: int) -> PowerLaw:
    registered = tuple(Target(f"n{number}") for number in range(1, workload.num_registered + 1))
    load = load_of(url, registered[:MOST_ASKED], workload, seed)
    return PowerLaw(
        **{each.name: getattr(load, each.name) for each in fields(load)}, registered=registered
    )


def _register(server: OurServer, pool: Pool, home: Path, count: int) -> Figures:
    """Register adapters as a user does it, and then ask which models there are, twice."""
    before = server.resident_memory
    num_new = sum(pool.register(number, home) for number in range(1, count + 1))
    first, again = _time_listing(server.url), _time_listing(server.url)
    return {
        "newly_registered": num_new,
        "listing_s": first,
        "listing_again_s": again,
        "memory_grown_bytes": server.resident_memory - before,
    }


def _time_listing(url: str) -> float:
    begin = time.perf_counter()
    httpx.get(f"{url}/v1/models", timeout=600).raise_for_status()
    return time.perf_counter() - begin


def _time_fresh(
    server: OurServer, pool: Pool, home: Path, workload: Workload, seed: int
) -> Measured:
    """Adapters that the server has never seen, none of their files in memory: once, and again."""
    first: list[float] = []
    again: list[float] = []
    prompts = Prompts(seed)
    for index in range(workload.num_requests):
        number = pool.count - index
        pool.register(number, home)
        pool.forget(number)
        for asked, times in enumerate((first, again)):
            prompt = prompts.question(2 * index + asked, PROMPT_TOKENS)
            timing = time_answer(server.url, f"n{number}", prompt, workload.num_tokens)
            times.append(timing.first_token_s)
    figures: Figures = {"first_s": median(first), "again_s": median(again)}
    loads = [one - other for one, other in zip(first, again, strict=True)]
    return Measured(figures | {"load_s": median(loads)}, {"first": first, "again": again})
