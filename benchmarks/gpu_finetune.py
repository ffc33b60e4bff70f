"""How fast and how leanly one GPU fine-tunes in NF4: our packed rows beside plain PEFT's padded.

    python -m benchmarks.gpu_finetune          # LLaMA-2-7B's shape, random weights
    python -m benchmarks.gpu_finetune --tiny   # a tiny base, on the CPU

The second is a rehearsal: it shows that everything runs, and nothing about speed.
"""

import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from finetune.hardware import free_memory

from .adapters import read_shape
from .contamination import HOME
from .gpu.clock import Clock
from .gpu.material import make_base
from .process import ProgramFailed
from .provenance import RESULTS, describe, shown_command
from .random_base import LLAMA_2_7B, TINY
from .training.cases import Journal, Key, our_keys, peft_keys
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
MINUTES = 15.0
PASSES = 4  # FLOP for a weight and token: forward, and backward to the inputs; the base is frozen


@dataclass(frozen=True, slots=True)
class Scale:
    base_name: str
    disk_bytes: int
    sizes: dict[str, int]
    device: str
    pack_tokens: int
    workloads: tuple[Workload, ...]
    micro_batches: tuple[int, ...]  # [rows] that plain PEFT computes together
    matmul: int  # rows and columns of the matrices that measure the chip


FULL = Scale(
    "random-7b",
    15 << 30,
    LLAMA_2_7B,
    "cuda",
    4096,
    (
        Workload(SHORT, 100, 300, batch=16, warm_up=3, steps=10),
        Workload(PACKED, 256, 256, batch=16, warm_up=2, steps=8),
        Workload(LONG, 4096, 4096, batch=4, warm_up=1, steps=3),
    ),
    (16, 8, 4, 2, 1),  # the slowest last, which may be left out
    8192,
)
REHEARSAL = Scale(
    "random-training",
    1 << 20,
    TINY,
    "cpu",
    64,
    (
        Workload(SHORT, 10, 30, batch=4, warm_up=1, steps=1),
        Workload(PACKED, 16, 16, batch=4, warm_up=0, steps=1),
        Workload(LONG, 64, 64, batch=2, warm_up=0, steps=1),
    ),
    (4, 1),
    64,
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    tiny: Annotated[bool, typer.Option("--tiny", help="A rehearsal on the CPU.")] = False,
    minutes: Annotated[float, typer.Option(min=0, help="That this command may take.")] = MINUTES,
    scratch: Annotated[
        Path | None,
        typer.Option(
            help="A folder with 15 GB to spare, where the base stays. [default: benchmark-home/gpu]"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The result, without ending. [default: benchmarks/results/DAY-gpu-finetune]"
        ),
    ] = None,
) -> None:
    """Measure what the result still lacks, print the table, and write FILE.jsonl, FILE.json and
    FILE.md."""
    import torch

    clock = Clock(minutes)
    if not tiny and not torch.cuda.is_available():
        typer.echo(f"Error: {NO_GPU}", err=True)
        raise typer.Exit(1)
    today = date.today()
    provenance = describe(today, shown_command("gpu_finetune", sys.argv[1:]))
    path = out or RESULTS / f"{today:%Y-%m-%d}-gpu-finetune"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    scale = REHEARSAL if tiny else FULL
    try:
        folder = (scratch or HOME / "gpu").absolute()
        base = make_base(folder, scale.base_name, scale.sizes, scale.device, scale.disk_bytes)
    except ProgramFailed as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    rate = matmul_rate(scale.device, scale.matmul)
    typer.echo(f"bfloat16 products: {rate / 1e12:.1f} TFLOP/s", err=True)
    sitting = Sitting(scale, base, rate, clock, Journal(path.with_name(f"{path.name}.jsonl")))
    try:
        sitting.conduct()
    finally:
        page = write_report(path, provenance, sitting.result)
    typer.echo(page.read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Sitting:
    """Measures what the journal lacks, as far as the minutes go."""

    scale: Scale
    base: Path
    rate: float  # [FLOP/second] of the chip
    clock: Clock
    journal: Journal

    @property
    def result(self) -> Result:
        keys = [*self._ours, *self._theirs]
        return Result(self.rate, [self.journal.case(key) for key in keys])

    def conduct(self) -> None:
        """Ours first, then PEFT's: never are both bases in memory."""
        scale = self.scale
        self._measure(self._ours, partial(OurTraining, self.base, scale.device, scale.pack_tokens))
        self._measure(self._theirs, partial(PeftTraining, self.base, scale.device))

    @property
    def _ours(self) -> list[Key]:
        return [*our_keys(self.base.name, self.scale.workloads)]

    @property
    def _theirs(self) -> list[Key]:
        scale = self.scale
        return [*peft_keys(self.base.name, scale.workloads, scale.micro_batches)]

    def _measure(self, keys: Sequence[Key], load: Callable[[], Any]) -> None:
        missing = self.journal.missing(keys)
        if not missing or not self.clock.left:
            return
        training = load()
        for key in missing:
            if self.clock.left <= self.journal.expected(key):
                typer.echo(f"{self.journal.case(key).words}: no time is left", err=True)
                continue
            self._train(training, key)
        del training
        free_memory(self.scale.device)

    def _train(self, training: Any, key: Key) -> None:
        workload = next(each for each in self.scale.workloads if each.name == key.workload)
        rows = () if key.micro_batch is None else (key.micro_batch,)
        run = partial(training.measure, workload, *rows, checkpointing=key.checkpointing)
        begin = self.clock.now()
        speed = speed_if_it_fits(run, self.scale.device)
        case = Case(key.workload, key.micro_batch, key.checkpointing, speed)
        measured = _with_share(case, self.scale, self.base, self.rate)
        self.journal.keep(key, measured, self.clock.now() - begin)


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
