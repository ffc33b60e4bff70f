"""Our server beside llama-server, vLLM and PEFT on one machine, in one sitting.

    python -m benchmarks.serving --llama-bin DIR --vllm-env DIR

Every measurement is kept as soon as it is made: the same command goes on where it was stopped.
"""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.contamination import HOME
from benchmarks.journal import Journal
from benchmarks.provenance import RESULTS, describe, parse_words, shown_command
from finetune.errors import FinetuneError

from .bench import Bench, Size, prepare
from .llamacpp.plans import llamacpp_plans
from .ours import our_plans
from .plan import Plan
from .pool import adapter_pool
from .report import write_report
from .rival_plans import contamination_plans, llama_plans, peft_plans, vllm_plans
from .scaling import REGISTERED, num_needed, scaling_plan

SIZE = Size()


class Part(StrEnum):
    OURS = "ours"
    LLAMACPP = "llamacpp"
    LLAMA = "llama"
    VLLM = "vllm"
    PEFT = "peft"
    CONTAMINATION = "contamination"
    SCALING = "scaling"


IN_ROUNDS: dict[Part, Callable[[Bench], Iterator[Plan]]] = {
    Part.OURS: our_plans,
    Part.LLAMACPP: llamacpp_plans,
    Part.LLAMA: llama_plans,
    Part.VLLM: vllm_plans,
    Part.PEFT: peft_plans,
}


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    llama_bin: Annotated[
        Path | None, typer.Option(help="The folder that holds llama-server.")
    ] = None,
    vllm_env: Annotated[
        Path | None, typer.Option(help="The virtual environment that holds vLLM.")
    ] = None,
    parts: Annotated[str, typer.Option(help="What to measure now.")] = ",".join(Part),
    home: Annotated[Path, typer.Option(help="For bases, adapters and logs.")] = HOME,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds.")] = 3,
    out: Annotated[
        Path | None,
        typer.Option(help="The result, without ending. [default: benchmarks/results/DAY-serving]"),
    ] = None,
    requests_per_stream: Annotated[int, typer.Option(min=1)] = SIZE.requests_per_stream,
    slow_requests_per_stream: Annotated[
        int, typer.Option(min=1, help="Of vLLM, and of llama-server with eight adapters.")
    ] = SIZE.slow_requests_per_stream,
    output_tokens: Annotated[int, typer.Option(min=2, help="Of each answer.")] = SIZE.output_tokens,
    registered: Annotated[
        str, typer.Option(help="Numbers of registered adapters, for scaling.")
    ] = ",".join(map(str, REGISTERED)),
) -> None:
    """Measure what the result still lacks, then write it: FILE.jsonl, FILE.json and FILE.md."""
    chosen = _parse_parts(parts, llama_bin, vllm_env)
    counts = _parse_counts(registered)
    size = Size(requests_per_stream, slow_requests_per_stream, output_tokens)
    today = date.today()
    path = out or RESULTS / f"{today:%Y-%m-%d}-serving"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # servers end, too
    journal = Journal(path.with_name(f"{path.name}.jsonl"))
    provenance = describe(today, shown_command("serving", sys.argv[1:]), llama_bin, vllm_env)
    try:
        bench = prepare(home.absolute(), size, llama_bin, vllm_env)
        _measure_rounds(bench, chosen, journal, repeats)
        if Part.SCALING in chosen:
            _measure_scaling(bench, journal, repeats, counts)
    except FinetuneError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    finally:
        if journal.records:
            typer.echo(write_report(journal, provenance))


def _parse_parts(text: str, llama_bin: Path | None, vllm_env: Path | None) -> list[Part]:
    parts = parse_words(Part, text)
    needed = {
        Part.LLAMACPP: ("--llama-bin", llama_bin),
        Part.LLAMA: ("--llama-bin", llama_bin),
        Part.CONTAMINATION: ("--llama-bin", llama_bin),
        Part.VLLM: ("--vllm-env", vllm_env),
    }
    for part in parts:
        option, given = needed.get(part, ("", HOME))
        if given is None:
            raise typer.BadParameter(f"the part {part} needs it", param_hint=option)
    return parts


def _parse_counts(text: str) -> list[int]:
    words = text.split(",")
    if not all(word.isdecimal() and int(word) > 0 for word in words):
        raise typer.BadParameter(f"numbers such as 1,5,100 are expected, not {text!r}")
    return [int(word) for word in words]


def _measure_rounds(bench: Bench, parts: Sequence[Part], journal: Journal, repeats: int) -> None:
    """Everybody once in each round, so that a slow minute of the machine meets all alike."""
    for number in range(repeats):
        for part in parts:
            for plan in IN_ROUNDS.get(part, _no_plans)(bench):
                plan.conduct(journal, number)
    if Part.CONTAMINATION in parts:
        for plan in contamination_plans(bench):
            plan.conduct(journal, 0)


def _no_plans(_: Bench) -> Iterator[Plan]:
    yield from ()


def _measure_scaling(
    bench: Bench, journal: Journal, repeats: int, registered: Sequence[int]
) -> None:
    template = next(iter(bench.adapters.values()))
    with adapter_pool(bench.home, template, num_needed(registered)) as pool:
        plan = scaling_plan(bench, pool, registered)
        for number in range(repeats):
            plan.conduct(journal, number)


if __name__ == "__main__":
    app()
