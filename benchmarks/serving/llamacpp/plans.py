"""Our llama.cpp engine beside llama-server, each on the same quantized file."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.journal import Mix
from benchmarks.serving.bench import Bench, load_of
from benchmarks.serving.ours import our_server
from benchmarks.serving.plan import Measure, Measured, Plan, Workload, measure_load
from benchmarks.serving.rival_plans import CACHE, LLAMA, NUM_TARGETS, QUANTIZATIONS, llama_measure
from service.bench.load import Target

OURS_LLAMA = "llama.cpp in lora-chat"
PART = "llamacpp"
SWITCHES = 24  # requests one after another, by a single client
ALONE: tuple[Mix, ...] = ("one", "two")
# llama-server's settings: its own choice on two cores, and the other.
THREADS = {CACHE: 2, f"{CACHE}, one thread": 1}


def llamacpp_plans(bench: Bench) -> Iterator[Plan]:
    """One client, with one adapter and with two in turn; then eight clients with eight."""
    tokens = bench.size.output_tokens
    for kind in QUANTIZATIONS:
        name = f"{OURS_LLAMA} {kind}"
        alone = tuple(Workload(mix, 1, SWITCHES, num_tokens=tokens) for mix in ALONE)
        together = bench.workload("eight", 8)
        yield Plan(PART, name, (*alone, together), partial(_ours, bench, kind))
        for setting, threads in THREADS.items():
            theirs = tuple(Workload(mix, 1, SWITCHES, setting, tokens) for mix in ALONE)
            eight = bench.workload("eight", 8, setting, is_slow=True)
            for slots, workloads in ((1, theirs), (8, (eight,))):
                measure = partial(llama_measure, bench, kind, slots, True, threads)
                yield Plan(PART, f"{LLAMA} {kind}", workloads, measure)


@contextmanager
def _ours(bench: Bench, kind: str) -> Generator[Measure]:
    targets = tuple(map(Target, bench.adapters))
    base: Path = bench.quantized(kind)
    options = ("--engine", "llamacpp")
    with our_server(
        bench.home, log=bench.log(f"ours-{kind}"), base=str(base), options=options
    ) as server:

        def measure(workload: Workload, seed: int) -> Measured:
            asked = targets[: NUM_TARGETS[workload.mix]]
            return measure_load(load_of(server.url, asked, workload, seed))

        yield measure
