"""The page of results: goals first, then every figure, and its share of a bare loop's."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks.bar import Bar, bars_table
from benchmarks.markdown import UNKNOWN, describe_provenance, number, table
from benchmarks.provenance import Provenance
from serving.torch.native.kernels import kernels_here

from .findings import Beside, Findings
from .sitting import SizeJournal

INTRODUCTION = (
    "Bases with random weights in the shapes of TinyLlama-1.1B and LLaMA-2-7B, served by "
    "`lora-chat serve --precision int8` (or int4, where it stands behind the size) with its "
    "defaults, over HTTP. Each start is a process of "
    "its own, whose memory is looked at every 10 ms; anonymous memory is what no file backs. "
    "Shares are of bare loops on the same machine, before and after the answers: bytes that all "
    "cores read from memory, products of int8 that they make from registers, and the time in which "
    "the files of the weights are read from the disk."
)


def write_page(journal: SizeJournal, provenance: Provenance, note: str) -> Path:
    """Write FILE.md and FILE.json beside the journal."""
    names = dict.fromkeys(record.key.size for record in journal.records)
    found = [Findings(size, journal) for size in names]
    bars = [bar for each in found for bar in each.bars]
    failed = [
        f"Failed: {r.key.size}, {r.key.server}, {r.key.what}: {r.error}" for r in journal.failures
    ]
    parts = [
        f"# Bases of the sizes that people use, {provenance.day}",
        *describe_provenance(provenance),
        f"Kernel: {kernels_here()[0].name}. {note}".strip(),
        INTRODUCTION,
        bars_table(bars),
        *(part for each in found for part in _tables(each)),
        *failed,
    ]
    page = journal.path.with_suffix(".md")
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    whole = {
        "provenance": asdict(provenance),
        "note": note,
        "bars": [_bar(bar) for bar in bars],
        "records": [record.model_dump(mode="json") for record in journal.records],
    }
    text = json.dumps(whole, ensure_ascii=False, indent=1, default=str)
    journal.path.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    return page


def _bar(bar: Bar) -> dict[str, object]:
    return {**asdict(bar), "is_passed": bar.is_passed}


def _tables(found: Findings) -> Iterator[str]:
    yield f"## {found.size}"
    yield table(("what", "measured", "share of what is possible"), map(_row, found.lines), 1)
    if found.rival is not None:
        yield f"Tokens a second beside {found.rival}, in the same sitting:"
        yield table(("what", "lora-chat", found.rival, "ratio"), map(_ratio, found.beside), 1)


def _row(line: tuple[str, str, float | None]) -> list[str]:
    name, value, share = line
    return [name, value, UNKNOWN if share is None else number(share, 2)]


def _ratio(line: Beside) -> list[str]:
    name, own, other = line
    ratio = own / other if own and other else None
    return [name, number(own), number(other), number(ratio, 2)]
