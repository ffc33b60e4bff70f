"""How fast and how leanly one GPU fine-tunes in NF4: our packed rows beside plain PEFT's padded.

    python -m benchmarks.gpu_finetune          # LLaMA-2-7B's shape, random weights
    python -m benchmarks.gpu_finetune --tiny   # a tiny base, on the CPU

The second is a rehearsal: it shows that everything runs, and nothing about speed.
"""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated

import typer

from finetune.hardware import free_memory

from .adapters import read_shape
from .provenance import RESULTS, describe, shown_command
from .random_base import LLAMA_2_7B, TINY, make_random_base
from .training.matmul import matmul_rate
from .training.ours import OurTraining
from .training.plain_peft import PeftTraining
from .training.report import Case, Result, write_report
from .training.workloads import LONG, PACKED, SHORT, Workload, speed_if_it_fits

NO_GPU = (
    "There is no NVIDIA GPU here that torch can use, and LLaMA-2-7B's shape is measured on one. "
    "With --tiny the same is done with a tiny base on the CPU, which shows that everything "
    "runs, and nothing about speed."
)
PASSES = 4  # FLOP for a weight and token: forward, and backward to the inputs; the base is frozen


@dataclass(frozen=True, slots=True)
class Scale:
    sizes: dict[str, int]
    device: str
    pack_tokens: int
    workloads: tuple[Workload, ...]
    micro_batches: tuple[int, ...]  # [rows] that plain PEFT computes together
    matmul: int  # rows and columns of the matrices that measure the chip


FULL = Scale(
    LLAMA_2_7B,
    "cuda",
    4096,
    (
        Workload(SHORT, 100, 300, batch=16, warm_up=3, steps=10),
        Workload(PACKED, 256, 256, batch=16, warm_up=2, steps=8),
        Workload(LONG, 4096, 4096, batch=4, warm_up=1, steps=3),
    ),
    (1, 2, 4, 8, 16),
    8192,
)
REHEARSAL = Scale(
    TINY,
    "cpu",
    64,
    (
        Workload(SHORT, 10, 30, batch=4, warm_up=1, steps=1),
        Workload(PACKED, 16, 16, batch=4, warm_up=0, steps=1),
        Workload(LONG, 64, 64, batch=2, warm_up=0, steps=1),
    ),
    (1, 4),
    64,
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    tiny: Annotated[bool, typer.Option("--tiny", help="A rehearsal on the CPU.")] = False,
    scratch: Annotated[
        Path | None,
        typer.Option(help="A folder with 15 GB to spare. [default: the system's temporary one]"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The result, without ending. [default: benchmarks/results/DAY-gpu-finetune]"
        ),
    ] = None,
) -> None:
    """Measure, print the table, and write FILE.json and FILE.md."""
    import torch

    if not tiny and not torch.cuda.is_available():
        typer.echo(f"Error: {NO_GPU}", err=True)
        raise typer.Exit(1)
    today = date.today()
    provenance = describe(today, shown_command("gpu_finetune", sys.argv[1:]))
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        result = measure(REHEARSAL if tiny else FULL, Path(folder))
    path = out or RESULTS / f"{today:%Y-%m-%d}-gpu-finetune"
    page = write_report(path, provenance, result)
    typer.echo(page.read_text(encoding="utf-8"))


def measure(scale: Scale, folder: Path) -> Result:
    """Ours first, then PEFT's: never are both bases in memory."""
    rate = matmul_rate(scale.device, scale.matmul)
    typer.echo(f"bfloat16 products: {rate / 1e12:.1f} TFLOP/s", err=True)
    base = make_random_base(folder / "random", scale.sizes, scale.device)
    free_memory(scale.device)
    return Result(rate, [*_ours(scale, base, rate), *_peft(scale, base, rate)])


def _ours(scale: Scale, base: Path, rate: float) -> Iterator[Case]:
    training = OurTraining(base, scale.device, scale.pack_tokens)
    for workload, checkpointing in product(scale.workloads, (True, False)):
        run = partial(training.measure, workload, checkpointing=checkpointing)
        speed = speed_if_it_fits(run, scale.device)
        yield _with_share(Case(workload.name, None, checkpointing, speed), scale, base, rate)


def _peft(scale: Scale, base: Path, rate: float) -> Iterator[Case]:
    free_memory(scale.device)
    training = PeftTraining(base, scale.device)
    for workload, checkpointing in product(scale.workloads, (True, False)):
        for rows in (each for each in scale.micro_batches if each <= workload.batch):
            run = partial(training.measure, workload, rows, checkpointing=checkpointing)
            speed = speed_if_it_fits(run, scale.device)
            yield _with_share(Case(workload.name, rows, checkpointing, speed), scale, base, rate)


def _with_share(case: Case, scale: Scale, base: Path, rate: float) -> Case:
    """The case with its share of the chip's rate; says the case on the way."""
    speed = case.speed
    typer.echo(f"{case.words}: {speed or 'out of memory'}", err=True)
    if speed is None:
        return case
    shape = read_shape(base)
    layers = shape.num_layers * sum(rows * columns for rows, columns in shape.projections.values())
    head = scale.sizes["vocab_size"] * shape.hidden_size
    per_second = layers * speed.tokens_per_second + head * speed.trained_per_second
    return replace(case, share=PASSES * per_second / rate)


if __name__ == "__main__":
    app()
