"""Our fine-tuning beside plain PEFT, TRL and LLaMA-Factory on one machine, in one sitting.

    python -m benchmarks.finetune --trl-env DIR --llamafactory-env DIR
    python -m benchmarks.finetune --tiny

Every measurement is kept as soon as it is made: the same command goes on where it was stopped. The
second is a rehearsal with a tiny base: it shows that everything runs, and nothing about speed.
"""

import signal
import sys
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from finetune.bases.base import Base, find_base
from finetune.defaults import DEFAULT_BASE
from finetune.errors import FinetuneError
from finetune.hardware import compute_precision

from .contamination import HOME
from .provenance import RESULTS, describe, parse_words, shown_command
from .tuning.page import write_page
from .tuning.quality import measure_quality
from .tuning.samples import Sample, shipped_samples
from .tuning.sitting import RunJournal, RunRecord, Sitting
from .tuning.speed import measure_speed
from .tuning.sweep import measure_sweep
from .tuning.tiny import first_conversations, make_tiny_base
from .tuning.tools import available_tools

FIRST_SEED = 42
TINY_STEPS = 2


class Part(StrEnum):
    SPEED = "speed"
    QUALITY = "quality"
    SWEEP = "sweep"


TINY_PARTS = (Part.SPEED, Part.QUALITY)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    trl_env: Annotated[
        Path | None, typer.Option(help="The virtual environment that holds TRL.")
    ] = None,
    llamafactory_env: Annotated[
        Path | None, typer.Option(help="The virtual environment that holds LLaMA-Factory.")
    ] = None,
    parts: Annotated[str | None, typer.Option(help="What to measure now. [default: all]")] = None,
    base: Annotated[str, typer.Option(help="A name, a folder or a file.")] = DEFAULT_BASE,
    home: Annotated[Path, typer.Option(help="For the base, rows and logs.")] = HOME,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds of speed.")] = 3,
    seeds: Annotated[int, typer.Option(min=1, help="Of quality and sweep.")] = 3,
    tiny: Annotated[bool, typer.Option("--tiny", help="A rehearsal: two steps.")] = False,
    note: Annotated[str, typer.Option(help="A sentence for the page: what was special.")] = "",
    out: Annotated[
        Path | None,
        typer.Option(help="The result, without ending. [default: benchmarks/results/DAY-finetune]"),
    ] = None,
) -> None:
    """Measure what the result still lacks, then write it: FILE.jsonl, FILE.json and FILE.md."""
    chosen = parse_words(Part, parts or ",".join(TINY_PARTS if tiny else Part))
    today = date.today()
    path = out or RESULTS / f"{today:%Y-%m-%d}-finetune"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # tools end, too
    journal = RunJournal(path.with_name(f"{path.name}.jsonl"), RunRecord)
    provenance = describe(today, shown_command("finetune", sys.argv[1:]))
    try:
        sitting = Sitting(
            base=_find_base(base, home.absolute(), tiny),
            home=home.absolute() / "finetune",
            tools=tuple(available_tools(trl_env, llamafactory_env)),
            samples=tuple(_tiny_samples(home.absolute()) if tiny else shipped_samples()),
            compute=compute_precision("cpu"),
            journal=journal,
            max_steps=TINY_STEPS if tiny else None,
        )
        _measure(sitting, chosen, repeats, range(FIRST_SEED, FIRST_SEED + seeds))
    except FinetuneError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    finally:
        if journal.records:
            typer.echo(write_page(journal, provenance, note))


def _find_base(spec: str, home: Path, is_tiny: bool) -> Base:
    if is_tiny:
        return find_base(str(make_tiny_base(home / "tiny")), home)
    return find_base(spec, home)


def _tiny_samples(home: Path) -> list[Sample]:
    return [first_conversations(shipped_samples()[0], home / "tiny-rows")]


def _measure(sitting: Sitting, parts: list[Part], repeats: int, seeds: range) -> None:
    if Part.SPEED in parts:
        measure_speed(sitting, repeats)
    if Part.QUALITY in parts:
        measure_quality(sitting, seeds)
    if Part.SWEEP in parts:
        measure_sweep(sitting, seeds)


if __name__ == "__main__":
    app()
