"""What the others are asked: llama-server in two quantizations, vLLM, and PEFT's own `generate`."""

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from functools import partial
from itertools import product
from typing import Any

from benchmarks.contamination import llama_server_contaminates
from benchmarks.journal import Mix
from benchmarks.rivals.peft_generate import PeftRow
from benchmarks.rivals.servers import llama_server, peft_generate, vllm_server
from service.bench.load import Target
from service.bench.prompts import Prompts

from .bench import PROMPT_TOKENS, STREAMS, Bench, load_of
from .plan import Measure, Measured, Plan, Workload, measure_load

LLAMA, VLLM, PEFT = "llama-server", "vLLM", "PEFT generate"
QUANTIZATIONS = ("Q4_0", "Q8_0")
CACHE, NO_CACHE = "prompt cache", "no prompt cache"
MIXES: tuple[Mix, ...] = ("eight", "one")
NUM_TARGETS: dict[Mix, int] = {"eight": 8, "two": 2, "one": 1}


def llama_plans(bench: Bench) -> Iterator[Plan]:
    """Plans for llama-server with as many slots as there are streams: eight, sixteen, and one."""
    for kind, slots, setting in product(QUANTIZATIONS, STREAMS, (CACHE, NO_CACHE)):
        workloads = (
            bench.workload("eight", slots, setting, is_slow=True),
            bench.workload("one", slots, setting),
        )
        measure = partial(llama_measure, bench, kind, slots, setting == CACHE)
        yield Plan("llama", f"{LLAMA} {kind}", workloads, measure)
    for kind in QUANTIZATIONS:
        alone = (bench.workload("one", 1, CACHE),)
        yield Plan("llama", f"{LLAMA} {kind}", alone, partial(llama_measure, bench, kind, 1, True))


def llama_measure(
    bench: Bench, kind: str, slots: int, has_cache: bool, threads: int = 2
) -> AbstractContextManager[Measure]:
    """A llama-server with all adapters, under load."""
    targets = tuple(Target("base", (number,)) for number in range(len(bench.adapters)))
    return _over_http(partial(_llama_server, bench, kind, slots, has_cache, threads), targets)


@contextmanager
def _llama_server(
    bench: Bench, kind: str, slots: int, has_cache: bool, threads: int
) -> Generator[str]:
    assert bench.llama_bin is not None
    base, adapters = bench.quantized(kind), bench.gguf_adapters()
    log = bench.log(f"llama-{kind}-{slots}")
    with llama_server(
        bench.llama_bin, base, adapters, slots, has_cache, log=log, threads=threads
    ) as url:
        yield url


def vllm_plans(bench: Bench) -> Iterator[Plan]:
    assert bench.vllm_env is not None
    workloads = tuple(
        bench.workload(mix, streams, is_slow=True) for streams, mix in product(STREAMS, MIXES)
    )
    server = partial(
        vllm_server, bench.vllm_env, bench.base.folder, bench.adapters, log=bench.log("vllm")
    )
    targets = tuple(map(Target, bench.adapters))
    yield Plan("vllm", VLLM, workloads, partial(_over_http, server, targets))


@contextmanager
def _over_http(
    server: Callable[[], AbstractContextManager[str]], targets: tuple[Target, ...]
) -> Generator[Measure]:
    with server() as url:

        def measure(workload: Workload, seed: int) -> Measured:
            asked = targets[: NUM_TARGETS[workload.mix]]
            return measure_load(load_of(url, asked, workload, seed))

        yield measure


def peft_plans(bench: Bench) -> Iterator[Plan]:
    """One batch of as many rows as the servers have streams; nothing is served."""
    for streams, mix in product(STREAMS, MIXES):
        workload = Workload(mix, streams, streams, num_tokens=bench.size.output_tokens)
        yield Plan("peft", PEFT, (workload,), partial(_peft, bench))


@contextmanager
def _peft(bench: Bench) -> Generator[Measure]:
    def measure(workload: Workload, seed: int) -> Measured:
        rows = _peft_rows(bench, workload, seed)
        tokens, log = workload.num_tokens, bench.log("peft")
        result = peft_generate(bench.base.folder, bench.adapters, rows, tokens, log=log)
        return Measured(
            {
                "output_tokens_per_second": result.tokens_per_second,
                "wall_seconds": result.seconds,
            },
            {"num_done": len(rows), "num_failed": 0},
        )

    yield measure


def _peft_rows(bench: Bench, workload: Workload, seed: int) -> list[PeftRow]:
    prompts, names = Prompts(seed), list(bench.adapters)
    asked = names if workload.mix == "eight" else names[:1]

    def render(index: int) -> tuple[int, ...]:
        message = {"role": "user", "content": prompts.question(index, PROMPT_TOKENS)}
        ids: list[int] = bench.base.tokenizer.apply_chat_template(
            [message], add_generation_prompt=True, return_dict=False
        )
        return tuple(ids)

    return [
        PeftRow(adapter=asked[index % len(asked)], prompt_ids=render(index))
        for index in range(workload.streams)
    ]


def contamination_plans(bench: Bench) -> Iterator[Plan]:
    workload = Workload("contamination", 1, 1, CACHE)
    yield Plan("contamination", f"{LLAMA} Q8_0", (workload,), partial(_contamination, bench))


@contextmanager
def _contamination(bench: Bench) -> Generator[Measure]:
    def measure(_: Workload, __: int) -> Measured:
        assert bench.llama_bin is not None
        base, adapters = bench.quantized("Q8_0"), bench.gguf_adapters()[:2]
        log = bench.log("contamination")
        seen = llama_server_contaminates(bench.llama_bin, base, adapters, log=log)
        answers: dict[str, Any] = asdict(seen)
        return Measured({}, {"answers": answers, "wrong": seen.wrong})

    yield measure
