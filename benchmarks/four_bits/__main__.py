"""What four bits cost the default base's answers, beside llama.cpp's Q4_0 of the same weights.

    python -m benchmarks.four_bits

The base's own weights came in four bits, which flatters them (see permuted.py): so they are
measured with their channels in another order, several times. Needs the extra `llamacpp` and a C++
compiler.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer

from benchmarks.markdown import describe_provenance, table
from benchmarks.provenance import RESULTS, ROOT, describe, shown_command
from data.chat import ChatRenderer, Rendered
from data.reading.reader import read_conversations
from finetune.bases.base import Base, find_base
from finetune.bases.gguf_base import find_gguf_base
from finetune.defaults import DEFAULT_BASE
from serving.llamacpp.quantize import quantize
from serving.torch.native.compiler import Compiler
from serving.torch.native.library import Library

from .answers import LogProbs, llama_cpp, measure, ours
from .permuted import write_permuted

SAMPLES = {"bike_workshop": 40, "tcm_consultation": 15}  # conversations
EXACT = "fp32"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Measured:
    order: int  # of the channels
    held: str
    sample: str
    loss: float
    divergence: float


@app.command()
def main(
    orders: Annotated[int, typer.Option(min=1, help="Of the channels.")] = 5,
    out: Annotated[
        Path | None,
        typer.Option(help="The result, without ending. [default: RESULTS/DAY-four-bits]"),
    ] = None,
) -> None:
    """Measure, then print and write the table (FILE.json, FILE.md)."""
    path = out or RESULTS / f"{date.today():%Y-%m-%d}-four-bits"
    with tempfile.TemporaryDirectory() as folder:
        library = Compiler(Path(folder)).run()
        if library is None:
            raise typer.Exit(1)  # which the log explains
        found = [each for order in range(1, orders + 1) for each in _measure(order, library)]
    page = page_of(found)
    path.with_suffix(".md").write_text(page, encoding="utf-8")
    kept = [asdict(each) for each in found]
    path.with_suffix(".json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    typer.echo(page)


def _measure(order: int, library: Library) -> Iterator[Measured]:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        source = find_gguf_base(DEFAULT_BASE, home).path
        gguf = write_permuted(source, home / "permuted.gguf", order)
        quantize(find_gguf_base(str(gguf), home), "q4_0", theirs := home / "q4_0.gguf")
        base = find_base(str(gguf), home)
        rows = {sample: _rows(base, sample, count) for sample, count in SAMPLES.items()}
        longest = max(len(row.token_ids) for own in rows.values() for row in own)
        exact = ours(base.folder, "fp32", None)
        sides: dict[str, Callable[[], LogProbs]] = {
            EXACT: lambda: exact,
            "int8, here": lambda: ours(base.folder, "int8", library),
            "int4, here": lambda: ours(base.folder, "int4", library),
            "F16, llama.cpp": lambda: llama_cpp(gguf, longest),
            "Q4_0, llama.cpp": lambda: llama_cpp(theirs, longest),
        }
        for held, load in sides.items():
            side = load()
            for sample, own in rows.items():
                lost = measure(own, side, exact)
                told = f"{lost.loss:.4f}, {lost.divergence:.4f} from {EXACT}"
                typer.echo(f"{order}, {held}, {sample}: {told}", err=True)
                yield Measured(order, held, sample, *lost)


def _rows(base: Base, sample: str, count: int) -> list[Rendered]:
    renderer = ChatRenderer(base.tokenizer)
    conversations = read_conversations(ROOT / "data" / "samples" / f"{sample}.txt")
    return [renderer.render(each) for each in conversations[:count]]


def page_of(found: list[Measured]) -> str:
    heads = [f"{sample}: {each}" for sample in SAMPLES for each in ("loss", "divergence")]
    names = list(dict.fromkeys(each.held for each in found))
    rows = [
        [name, *(cell for sample in SAMPLES for cell in _cells(found, name, sample))]
        for name in names
    ]
    told = (
        "Of an answer's tokens, in nats: the loss, beside what it is above that of fp32, and how "
        "far their probabilities are from those of fp32 (Kullback-Leibler); means over all orders "
        "of the channels, with the least and the most. Losses may fall by chance; divergences "
        "cannot."
    )
    provenance = describe(date.today(), shown_command("four_bits", sys.argv[1:]))
    blocks = ["# What four bits cost", told, table(["weights", *heads], rows)]
    return "\n\n".join([*blocks, *describe_provenance(provenance)]) + "\n"


def _cells(found: list[Measured], held: str, sample: str) -> tuple[str, str]:
    exact = {e.order: e.loss for e in found if (e.held, e.sample) == (EXACT, sample)}
    own = [each for each in found if (each.held, each.sample) == (held, sample)]
    loss = f"{fmean(each.loss for each in own):.3f}"
    if held == EXACT:
        return loss, "0"
    above = [100 * (each.loss / exact[each.order] - 1) for each in own]
    far = [each.divergence for each in own]
    return (
        f"{loss}: {fmean(above):+.1f} % ({min(above):+.1f} to {max(above):+.1f})",
        f"{fmean(far):.4f} ({min(far):.4f}–{max(far):.4f})",
    )


if __name__ == "__main__":
    app()
