"""What the servers on a GPU have shown, for people (Markdown) and for programs (JSON)."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.markdown import UNKNOWN, describe_provenance, number, spread, table
from benchmarks.provenance import Provenance
from benchmarks.summary import TOKENS_PER_SECOND

from .cells import Cell, Journal, Key, Summary, cells_of, middle
from .material import Scale
from .sides import BARE

FIGURES = ("first_token_p50_ms", "first_token_p95_ms", "between_tokens_p95_ms")
METHOD = """\
One server at a time on the device, its processes gone before the next one starts; only lora-chat
before vLLM shares that vLLM, which is measured alone in the same round. The base has random
weights, the adapters rank 16 on all seven projections of a layer; vLLM gets them by
`--lora-modules`, lora-chat pushes them to it by itself. Requests come over HTTP from this machine,
streamed, so many at a time as there are streams; all servers get the same prompts, each round new
ones, and answer greedily, past any end. Numbers are medians over the rounds, with the least and
the most of them; times are in milliseconds."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was to be measured, and how; `notes` say what was left out from the start."""

    provenance: Provenance
    scale: Scale
    sides: tuple[str, ...]
    num_rounds: int
    notes: tuple[str, ...] = ()

    @property
    def is_rehearsal(self) -> bool:
        return self.scale.device == "cpu"

    def keys(self) -> Iterator[Key]:
        for cell in cells_of(self.scale):
            yield from map(cell.key, self.sides)

    def write(self, journal: Journal) -> Path:
        """Write both files beside the journal; returns the one for people."""
        page = journal.path.with_suffix(".md")
        page.write_text(self.render(journal), encoding="utf-8")
        text = json.dumps(self._as_json(journal), indent=1, default=str)
        journal.path.with_suffix(".json").write_text(f"{text}\n", encoding="utf-8")
        return page

    def render(self, journal: Journal) -> str:
        summary = Summary(journal.records)
        rehearsed = "Serving rehearsed on a CPU (no measurement)"
        title = rehearsed if self.is_rehearsal else "Serving on a GPU"
        scale = self.scale
        asked = (
            f"{scale.num_adapters} adapters are asked in their turn, an answer has "
            f"{scale.output_tokens} tokens, and {self.num_rounds} rounds were wanted."
        )
        parts = [
            f"# {title}, {self.provenance.day:%Y-%m-%d}",
            *describe_provenance(self.provenance),
            f"{METHOD} {asked}",
            *self.notes,
            "## Under load",
            self._loads(summary, journal),
            "## What adapters cost",
            self._prices(summary),
        ]
        return "\n\n".join(parts) + "\n"

    def _loads(self, summary: Summary, journal: Journal) -> str:
        heads = ("server", "adapters", "streams", "tokens/s", "× vLLM", "first token p50", "p95")
        rest = ("between tokens p95", "prompt tokens", "rounds", "failed")
        rows = [self._row(key, summary, journal) for key in self.keys()]
        return table((*heads, *rest), rows, 2)

    def _row(self, key: Key, summary: Summary, journal: Journal) -> list[str]:
        words = [key.side, self._adapters(key), str(key.streams)]
        records = summary.records(key)
        if not records:
            return [*words, _why_not(key, journal), *[UNKNOWN] * 5, "0", UNKNOWN]
        failed, done = (
            sum(record.details[name] for record in records) for name in ("num_failed", "num_done")
        )
        return [
            *words,
            spread(summary.cell(key, TOKENS_PER_SECOND)),
            number(times_bare(summary, key), 2),
            *(spread(summary.cell(key, figure)) for figure in FIGURES),
            spread(summary.cell(key, "mean_prompt_tokens"), 0),
            str(len(records)),
            f"{failed} of {failed + done}",
        ]

    def _adapters(self, key: Key) -> str:
        return {"all": str(self.scale.num_adapters), "one": "1", "none": "none"}[key.mix]

    def _prices(self, summary: Summary) -> str:
        """One adapter, and all in turn, beside the base alone."""
        streams = middle(self.scale)
        count = self.scale.num_adapters
        heads = ("server", "base alone, tokens/s", "1 adapter", f"{count} adapters")
        rows = [
            [side, *_shares(summary, [Cell(m, streams).key(side) for m in ("none", "one", "all")])]
            for side in self.sides
        ]
        told = f"At {streams} streams, as shares of the base alone."
        return f"{told}\n\n{table(heads, rows)}"

    def _as_json(self, journal: Journal) -> dict[str, Any]:
        summary = Summary(journal.records)
        cells = [
            {
                **key.model_dump(),
                "times_bare": times_bare(summary, key),
                "missing": None if summary.records(key) else _why_not(key, journal),
                "rounds": [record.figures for record in summary.records(key)],
            }
            for key in self.keys()
        ]
        return {**asdict(self.provenance), "notes": self.notes, "cells": cells}


def times_bare(summary: Summary, key: Key) -> float | None:
    """Tokens a second beside vLLM's as it is, by the same load; None for itself."""
    bare = key.model_copy(update={"side": BARE})
    mine, theirs = (summary.cell(each, TOKENS_PER_SECOND) for each in (key, bare))
    if key == bare or mine is None or theirs is None:
        return None
    return mine.median / theirs.median


def _shares(summary: Summary, keys: Sequence[Key]) -> Iterator[str]:
    base, *others = (summary.cell(key, TOKENS_PER_SECOND) for key in keys)
    yield number(base.median if base else None)
    for cell in others:
        yield f"{cell.median / base.median:.0%}" if cell and base else UNKNOWN


def _why_not(key: Key, journal: Journal) -> str:
    errors = [record.error for record in journal.failures if record.key == key]
    if not errors:
        return "not measured: no time was left"
    return f"failed: {' '.join((errors[-1] or '').replace('|', '¦').split())}"
