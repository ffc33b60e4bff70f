"""A benchmark's result for people (Markdown) and for programs (JSON)."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.bar import bars_table
from benchmarks.journal import Journal, Key
from benchmarks.markdown import describe_provenance, spread, table
from benchmarks.provenance import Provenance
from benchmarks.summary import TOKENS_PER_SECOND, Summary

from .bars import bars
from .ours import COLD, OURS, WARM

MEBI = 1 << 20
LOADS = ("ours", "llamacpp", "llama", "vllm", "peft")  # parts whose figures stand in one table
ADAPTERS = {
    "eight": "eight, each in its turn",
    "two": "two in turn",
    "one": "one for all",
    "none": "none",
}
METHOD = """\
All on this machine, one server at a time, on the default base with random adapters of rank 16 on
all seven projections of a layer. A round measures our server, then each of the others, with the
same prompts; every round and every workload has new ones (about 60 tokens, the chat template's
among them; greedy answers of a fixed length, past any end). Requests go over HTTP, streamed; so
many at a time as there are streams. PEFT computes one batch in its own process, without HTTP,
prompts included. Numbers are medians over the rounds, with the least and the most of them. Times
are in milliseconds."""


def write_report(journal: Journal, provenance: Provenance) -> Path:
    """Write both files beside the journal; returns the one for people."""
    summary = Summary(journal.records)
    path = journal.path.with_suffix(".md")
    path.write_text(render(summary, provenance, _failures(journal)), encoding="utf-8")
    told = json.dumps(_as_json(summary, provenance), indent=1, default=str)
    journal.path.with_suffix(".json").write_text(told + "\n", encoding="utf-8")
    return path


def render(summary: Summary, provenance: Provenance, failures: Sequence[str] = ()) -> str:
    sections = {
        f"# Serving, {provenance.day:%Y-%m-%d}": "\n\n".join(
            [*describe_provenance(provenance), METHOD]
        ),
        "## What it is to reach": bars_table(bars(summary)),
        "## Under load": _loads(summary),
        "## The first request": _first_requests(summary),
        "## Many registered adapters": _registered(summary),
        "## From disk to the first token": _fresh(summary),
        "## llama-server's prompt cache": _contamination(summary),
        "## What failed": "\n".join(f"- {failure}" for failure in failures),
    }
    return "\n\n".join(f"{head}\n\n{body}" for head, body in sections.items() if body) + "\n"


def _loads(summary: Summary) -> str:
    figures = ("first_token_p50_ms", "first_token_p95_ms", "between_tokens_p95_ms")
    heads = ("server", "adapters", "streams", "tokens/s", "first token p50", "p95")
    rows = [
        [
            _name(key),
            ADAPTERS[key.mix],
            str(key.streams),
            spread(summary.cell(key, TOKENS_PER_SECOND)),
            *(spread(summary.cell(key, figure), 0) for figure in figures),
            _num_failed(summary, key),
        ]
        for key in summary.keys(*LOADS)
        if key.mix in ADAPTERS
    ]
    return table((*heads, "between tokens p95", "failed"), rows, 2) if rows else ""


def _name(key: Key) -> str:
    return f"{key.server}, {key.setting}" if key.setting else key.server


def _num_failed(summary: Summary, key: Key) -> str:
    details = [record.details for record in summary.records(key)]
    failed, done = (sum(each[name] for each in details) for name in ("num_failed", "num_done"))
    return f"{failed} of {failed + done}"


def _first_requests(summary: Summary) -> str:
    keys = {key.setting: key for key in summary.find(OURS, "first")}
    rows = [
        [
            setting,
            *(
                spread(summary.cell(keys[setting], each), 0, 1000)
                for each in ("first_token_s", "whole_s")
            ),
        ]
        for setting in (COLD, WARM)
        if setting in keys
    ]
    told = 'Sent to one of the adapters as soon as the server says "Ready"; an answer of 16 tokens.'
    return f"{told}\n\n{table(('code', 'first token', 'whole answer'), rows)}" if rows else ""


def _registered(summary: Summary) -> str:
    heads = ("adapters", "tokens/s", "first token p95", "asked for", "in memory")
    keys = summary.find(OURS, "power law")
    rows = [
        [
            key.setting,
            spread(summary.cell(key, TOKENS_PER_SECOND)),
            spread(summary.cell(key, "first_token_p95_ms"), 0),
            spread(summary.cell(key, "distinct_adapters"), 0),
            spread(summary.cell(key, "resident_adapters"), 0),
        ]
        for key in keys
    ]
    if not rows:
        return ""
    told = "The n-th adapter is asked 1/n times as often as the first; 16 streams."
    costs = "\n".join(f"- {cost}" for cost in _costs(summary, keys))
    return f"{told}\n\n{table(heads, rows)}\n\n{costs}"


def _costs(summary: Summary, keys: Sequence[Key]) -> Iterator[str]:
    """What an adapter takes, seen where most of them are registered at once."""

    def most(figure: str, key: Key) -> float:
        cell = summary.cell(key, figure)
        return cell.median if cell else 0.0

    key = max(keys, key=lambda key: most("newly_registered", key))
    count = most("newly_registered", key)
    if not count:
        return
    listing, again = (1000 * most(name, key) for name in ("listing_s", "listing_again_s"))
    grown = most("memory_grown_bytes", key) / 1024
    yield (
        f"registered ({count:.0f} at once): {listing / count:.1f} ms each in the first list of "
        f"models, {again / count:.2f} ms in the next; {grown / count:.1f} KiB of memory each, "
        f"{most('disk_bytes_per_adapter', key) / MEBI:.1f} MiB of disk"
    )
    resident = most("resident_adapters", key)
    if resident:
        each = most("resident_bytes", key) / resident / MEBI
        yield f"in memory: {each:.1f} MiB each"


def _fresh(summary: Summary) -> str:
    figures = {
        "first request, its files not in memory": "first_s",
        "second request": "again_s",
        "difference": "load_s",
    }
    rows = [
        [words, spread(summary.cell(key, figure), 0, 1000)]
        for key in summary.find(OURS, "fresh")
        for words, figure in figures.items()
    ]
    told = "Ten adapters that the server has never seen, one by one; medians over the ten."
    return f"{told}\n\n{table(('an adapter', 'first token'), rows)}" if rows else ""


def _contamination(summary: Summary) -> str:
    told: list[str] = []
    for key in summary.find("", "contamination"):
        for record in summary.records(key):
            answers: dict[str, dict[str, Any]] = record.details["answers"]
            rows = [
                [name, str(answer["num_computed"]), f"`{_in_one_line(answer['text'])}`"]
                for name, answer in answers.items()
            ]
            wrong = ", ".join(record.details["wrong"]) or "none"
            heads = ("asked", "prompt tokens computed", "answer")
            told.append(f"{table(heads, rows, 3)}\n\nOther than a fresh server's: {wrong}.")
    return "\n\n".join(told)


def _in_one_line(text: str) -> str:
    return " ".join(text.replace("|", "¦").replace("`", "'").split())


def _failures(journal: Journal) -> list[str]:
    return [
        f"round {record.round + 1}, {_name(record.key)}, {record.key.mix}, "
        f"{record.key.streams} streams: {_in_one_line(record.error or '')}"
        for record in journal.failures
    ]


def _as_json(summary: Summary, provenance: Provenance) -> dict[str, Any]:
    parts = (*LOADS, "scaling", "contamination")
    return {
        **asdict(provenance),
        "bars": [{**asdict(bar), "is_passed": bar.is_passed} for bar in bars(summary)],
        "measured": [
            {**key.model_dump(), "rounds": [record.figures for record in summary.records(key)]}
            for key in summary.keys(*parts)
        ],
    }
