"""How fast one GPU serves many adapters: our batch beside PEFT's, our servers beside vLLM.

    python -m benchmarks.gpu_serving                        # decoding, beside PEFT
    python -m benchmarks.gpu_serving --engine torch,vllm --vllm-command vllm/bin/vllm
    python -m benchmarks.gpu_serving --engine torch,vllm --tiny

With --tiny it is a rehearsal on the CPU: it shows that everything runs, and nothing about speed.
"""

import signal
import sys
from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from .contamination import HOME
from .gpu import decoding
from .gpu.cells import Journal
from .gpu.clock import Clock
from .gpu.material import FULL, REHEARSAL, Material, Scale, make_material
from .gpu.report import Report
from .gpu.sides import Group, torch_groups, vllm_group
from .gpu.sitting import Sitting
from .process import ProgramFailed
from .provenance import RESULTS, Provenance, describe, parse_words, shown_command

MINUTES, ROUNDS = 15.0, 3
NO_GPU = (
    "There is no NVIDIA GPU here that torch can use, and LLaMA-2-7B's shape is measured on one. "
    "With --tiny the same is done with a tiny base on the CPU, which shows that everything "
    "runs, and nothing about speed."
)
NO_VLLM = "vLLM was not measured: its command was not named with --vllm-command."


class Engine(StrEnum):
    DECODE = "decode"
    TORCH = "torch"
    VLLM = "vllm"


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    engine: Annotated[
        str,
        typer.Option(
            help="decode: our batch beside PEFT's, no server. torch, vllm or both, with a comma: "
            "servers, asked over HTTP."
        ),
    ] = Engine.DECODE,
    vllm_command: Annotated[
        Path | None,
        typer.Option(help="vLLM's command, in its own environment: vllm/bin/vllm."),
    ] = None,
    tiny: Annotated[bool, typer.Option("--tiny", help="A rehearsal on the CPU.")] = False,
    minutes: Annotated[
        float, typer.Option(min=0, help="That this command may take. Servers only.")
    ] = MINUTES,
    rounds: Annotated[int, typer.Option(min=1, help="At the most. Servers only.")] = ROUNDS,
    scratch: Annotated[
        Path | None,
        typer.Option(
            help="A folder with 20 GB to spare; servers' base and adapters stay there. [default: "
            "benchmark-home/gpu; for decode the system's temporary one]"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The result, without ending. [default: benchmarks/results/DAY-gpu-serving, of "
            "servers DAY-gpu-servers]"
        ),
    ] = None,
) -> None:
    """Measure, then write FILE.json and FILE.md; of servers FILE.jsonl, too, to go on from."""
    import torch

    clock = Clock(minutes)
    engines = _parse_engines(engine)
    if not tiny and not torch.cuda.is_available():
        _fail(NO_GPU)
    if engines == [Engine.DECODE]:
        _decode(scratch, out, is_tiny=tiny)
        return
    if Engine.VLLM not in engines:
        vllm_command = None
    elif vllm_command is None and not tiny:
        _fail(f"{NO_VLLM} Name it, or measure with --engine torch alone.")
    notes = (NO_VLLM,) if Engine.VLLM in engines and vllm_command is None else ()
    scale = REHEARSAL if tiny else FULL
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # servers end, too
    try:
        material = make_material((scratch or HOME / "gpu").absolute(), scale)
    except ProgramFailed as error:
        _fail(str(error))
    groups = _groups(material, scale, engines, vllm_command)
    sides = tuple(side.name for group in groups for side in group)
    report = Report(_provenance(vllm_command), scale, sides, rounds, notes)
    path = out or RESULTS / f"{report.provenance.day:%Y-%m-%d}-gpu-servers"
    journal = Journal(path.with_name(f"{path.name}.jsonl"))
    write = partial(report.write, journal)
    Sitting(material, scale, journal, clock, rounds, write).conduct(groups)
    typer.echo(write().read_text(encoding="utf-8"))


def _decode(scratch: Path | None, out: Path | None, *, is_tiny: bool) -> None:
    provenance = _provenance()
    path = out or RESULTS / f"{provenance.day:%Y-%m-%d}-gpu-serving"
    typer.echo(decoding.compare(scratch, path, provenance, is_tiny=is_tiny))


def _provenance(vllm_command: Path | None = None) -> Provenance:
    environment = vllm_command.absolute().parent.parent if vllm_command else None
    shown = shown_command("gpu_serving", sys.argv[1:])
    return describe(date.today(), shown, vllm_env=environment)


def _parse_engines(text: str) -> list[Engine]:
    engines = parse_words(Engine, text)
    if Engine.DECODE in engines and len(engines) > 1:
        raise typer.BadParameter(f"{Engine.DECODE} is measured by itself, without servers")
    return engines


def _groups(
    material: Material, scale: Scale, engines: Sequence[Engine], command: Path | None
) -> list[Group]:
    """vLLM first: ours are told as so many times of it."""
    vllm = [vllm_group(material, scale, command.absolute())] if command is not None else []
    return [*vllm, *(torch_groups(material, scale) if Engine.TORCH in engines else [])]


def _fail(message: str) -> NoReturn:
    typer.echo(f"Error: {message}", err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
