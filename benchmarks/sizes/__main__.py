"""The sizes that people use, with random weights: loading, memory, speed, training.

    python -m benchmarks.sizes
    python -m benchmarks.sizes --tiny

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

from benchmarks.contamination import HOME
from benchmarks.provenance import RESULTS, describe, parse_words, shown_command
from finetune.errors import FinetuneError
from finetune.free_cores import usable_cores

from .base import make_sized_base
from .loading import measure_starts
from .page import write_page
from .rival import measure_rival
from .serving import measure_answers
from .shapes import SHAPES, split_name
from .sitting import Sitting, SizeJournal, SizeRecord
from .training import measure_training

SIZES = "1.1b,7b"


class Part(StrEnum):
    START = "start"
    ANSWERS = "answers"
    TRAINING = "training"


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    sizes: Annotated[str, typer.Option(help="Which ones to measure; 7b:int4 in 4 bits.")] = SIZES,
    parts: Annotated[str, typer.Option(help="What to measure now.")] = ",".join(Part),
    home: Annotated[Path, typer.Option(help="For bases, adapters and logs.")] = HOME,
    tiny: Annotated[bool, typer.Option("--tiny", help="A rehearsal.")] = False,
    llama_bin: Annotated[
        Path | None,
        typer.Option(help="Where llama-server is, to be asked for the same answers."),
    ] = None,
    note: Annotated[str, typer.Option(help="A sentence for the page: what was special.")] = "",
    out: Annotated[
        Path | None,
        typer.Option(help="The result, without ending. [default: benchmarks/results/DAY-sizes]"),
    ] = None,
) -> None:
    """Measure what the result still lacks, then write it: FILE.jsonl, FILE.json and FILE.md."""
    chosen = parse_words(Part, parts)
    today = date.today()
    path = out or RESULTS / f"{today:%Y-%m-%d}-sizes"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # servers end, too
    journal = SizeJournal(path.with_name(f"{path.name}.jsonl"), SizeRecord)
    provenance = describe(today, shown_command("sizes", sys.argv[1:]), llama_bin)
    try:
        for size in ["tiny"] if tiny else sizes.split(","):
            sitting = _sitting(size.strip(), home.absolute() / "sizes", tiny, journal)
            _measure(sitting, chosen, llama_bin)
    except FinetuneError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    finally:
        if journal.records:
            typer.echo(write_page(journal, provenance, note))


def _sitting(size: str, home: Path, is_short: bool, journal: SizeJournal) -> Sitting:
    try:
        name, _ = split_name(size)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    own = home / name
    base = make_sized_base(own / f"random-{name}", SHAPES[name], home)
    return Sitting(size, base, own, len(usable_cores()), is_short, journal)


def _measure(sitting: Sitting, parts: list[Part], llama_bin: Path | None) -> None:
    if Part.START in parts:
        tiny = make_sized_base(sitting.home.parent / "tiny" / "random-tiny", SHAPES["tiny"], HOME)
        measure_starts(sitting, tiny)
    if Part.ANSWERS in parts:
        measure_answers(sitting)
        if llama_bin is not None:
            measure_rival(sitting, llama_bin)
    if Part.TRAINING in parts:
        measure_training(sitting)


if __name__ == "__main__":
    app()
