"""A sitting's result for people (Markdown) and for programs (JSON)."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.bar import bars_table
from benchmarks.markdown import GIB, UNKNOWN, describe_provenance, number, spread, table
from benchmarks.provenance import Provenance
from benchmarks.summary import Rounds

from . import quality, speed, sweep
from .findings import Findings, bars, gain, keys, samples, seconds_to, sweep_losses
from .sitting import RunJournal, RunKey
from .tools import OURS

SPEED = """\
All train the same token ids and the same trained tokens, rendered once by lora-chat, on the base
in NF4 with double quantization, with LoRA of rank 16, alpha 32, dropout 0.05 on all linear layers,
8 rows to an optimizer step, in one process on all cores. Counted are as many steps
as an epoch has, after three of warming up (of rows of equal length: three after one), without
loading, evaluations and checkpoints; in brackets, with ours'. Padding counts for nobody. Peak
memory is the resident memory of the process, from start to end, in the same run. LLaMA-Factory gets
the same base with a config that names bfloat16: it would load the float16 of the file, which
autocast on a CPU refuses."""
QUALITY = """\
Each tool with what it does when nothing is chosen but a 4-bit LoRA; the same rows to train on and
held out (lora-chat's split), another split with each seed. "The usual recipe" stands for PEFT,
which leaves the choice: 2e-4 falling linearly over three epochs, 8 rows a step, rank 16 on all
linear layers. Losses are nats per held-out answer token, measured by one evaluator on the base in
float32 and in NF4. "Ours lower by": over all rows and seeds, with a 95 % interval by bootstrap over
rows. Seconds are of training, ours' evaluations and checkpoints included; "to PEFT's loss" is until
the held-out loss in NF4 that PEFT ends with is reached (others are looked at after each epoch)."""
SWEEP = """\
Held-out loss of lora-chat around its defaults (float32, mean over the seeds); alpha is twice the
rank."""


def write_page(journal: RunJournal, provenance: Provenance, note: str = "") -> Path:
    """Write both files beside the journal; returns the one for people, which has the note."""
    found = Rounds(journal.records)
    path = journal.path.with_suffix(".md")
    path.write_text(render(found, provenance, _failures(journal), note), encoding="utf-8")
    told = json.dumps(_as_json(found, provenance), indent=1, default=str)
    journal.path.with_suffix(".json").write_text(told + "\n", encoding="utf-8")
    return path


def render(
    found: Findings, provenance: Provenance, failures: Sequence[str] = (), note: str = ""
) -> str:
    sections = {
        f"# Fine-tuning, {provenance.day:%Y-%m-%d}": "\n\n".join(
            [*describe_provenance(provenance), *([note] if note else [])]
        ),
        "## What it is to reach": bars_table(bars(found)),
        "## Speed and memory": _speed(found),
        "## Where the defaults end": _quality(found),
        "## Around our defaults": _sweep(found),
        "## What each tool was": "\n".join(f"- {each}" for each in _tools(found)),
        "## What failed": "\n".join(f"- {failure}" for failure in failures),
    }
    return "\n\n".join(f"{head}\n\n{body}" for head, body in sections.items() if body) + "\n"


def _speed(found: Findings) -> str:
    heads = ("rows", "tool", "setting", "tokens/s", "trained tokens/s", "s/step", "peak GiB")
    rows = [
        [
            key.sample,
            key.tool,
            key.setting,
            _rate(found, key),
            spread(found.cell(key, speed.TRAINED)),
            spread(found.cell(key, speed.STEP), 2),
            spread(found.cell(key, speed.PEAK), 2, 1 / GIB),
        ]
        for sample in samples(found, "speed")
        for key in keys(found, "speed", "", sample)
    ]
    return f"{SPEED}\n\n{table(heads, rows, 3)}" if rows else ""


def _rate(found: Findings, key: RunKey) -> str:
    whole = found.cell(key, speed.WHOLE)
    rate = spread(found.cell(key, speed.TOKENS))
    return f"{rate} [{number(whole.median)}]" if whole else rate


def _quality(found: Findings) -> str:
    heads = ("rows", "tool", "setting", "loss", "in NF4", "ours lower by", "seconds")
    rows = [
        [
            key.sample,
            key.tool,
            key.setting,
            spread(found.cell(key, quality.LOSS), 3),
            spread(found.cell(key, quality.TRAINING_LOSS), 3),
            _gain(found, key),
            spread(found.cell(key, quality.SECONDS), 0),
            spread(seconds_to(found, key), 0) if key.tool != quality.BASE else UNKNOWN,
        ]
        for sample in samples(found, "quality")
        for key in keys(found, "quality", "", sample)
    ]
    return f"{QUALITY}\n\n{table((*heads, 'to PEFT’s loss'), rows, 3)}" if rows else ""


def _gain(found: Findings, key: RunKey) -> str:
    ours = keys(found, "quality", OURS, key.sample)
    if key.tool in (OURS, quality.BASE) or not ours:
        return UNKNOWN
    found_gain = gain(found, ours[0], key)
    if found_gain is None:
        return UNKNOWN
    return f"{found_gain.value:.1%} ({found_gain.low:.1%} to {found_gain.high:.1%})"


def _sweep(found: Findings) -> str:
    rows: list[list[str]] = []
    for sample in samples(found, "sweep"):
        losses = sweep_losses(found, sample)
        best = min(losses.values(), default=None)
        for factor in sweep.FACTORS:
            points = [losses.get(sweep.point_name(factor, rank)) for rank in sweep.RANKS]
            rows.append([sample, factor, *(_marked(each, best) for each in points)])
    heads = ("rows", "learning rate", *(f"rank {rank}" for rank in sweep.RANKS))
    return f"{SWEEP}\n\n{table(heads, rows, 2)}" if rows else ""


def _marked(loss: float | None, best: float | None) -> str:
    return f"**{number(loss, 3)}**" if loss is not None and loss == best else number(loss, 3)


def _tools(found: Findings) -> Iterator[str]:
    """Versions and what a tool has made of what it was told, once for each of its settings."""
    told: dict[tuple[str, str], str] = {}
    for key in found:
        details = found.records(key)[-1].details
        if "versions" in details and key.part != "sweep":
            told[key.tool, key.setting] = _described(details)
    for (tool, setting), words in told.items():
        yield f"{tool}, {setting}: {words}"


def _described(details: dict[str, Any]) -> str:
    versions = (f"{name} {version}" for name, version in details["versions"].items())
    resolved = {
        name: ", ".join(value) if isinstance(value, list) else value
        for name, value in details.get("resolved", {}).items()
    }
    options = (f"{name.replace('_', ' ')} {value}" for name, value in resolved.items())
    return "; ".join([", ".join(versions), *options])


def _failures(journal: RunJournal) -> list[str]:
    return [
        f"round {record.round + 1}, {record.key.part}, {record.key.tool}, {record.key.setting}, "
        f"{record.key.sample}: {' '.join((record.error or '').split())}"
        for record in journal.failures
    ]


def _as_json(found: Findings, provenance: Provenance) -> dict[str, Any]:
    return {
        **asdict(provenance),
        "bars": [{**asdict(bar), "is_passed": bar.is_passed} for bar in bars(found)],
        "measured": [
            {**key.model_dump(), "rounds": [record.figures for record in found.records(key)]}
            for key in found
        ],
    }
