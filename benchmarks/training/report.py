"""What the GPU's fine-tuning benchmark has shown, as a page and as JSON."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.bar import Bar, bars_table
from benchmarks.markdown import GIB, describe_provenance, number, table
from benchmarks.provenance import Provenance

from .workloads import PACKED, SHORT, Speed

TIMES_PEFT = 2.0
MOST_MEMORY = 10.0  # [GiB]
METHOD = """\
A base of random weights in NF4 with double quantization, one adapter of rank 16 on all seven
projections of a layer, dropout 0.05, AdamW; 60 % of a row is trained. Ours is
`finetune.training.trainer`: rows packed up to the tokens of one micro-batch, logits where a
token is trained. Plain PEFT is prepared as its guide says (`prepare_model_for_kbit_training`,
autocast to bfloat16), in a bare loop, its batches padded to their longest row; both make the
same optimizer steps on the same rows.
Tokens a second leave padding out. Memory is the highest of the whole case. The share of the chip
is what training has to multiply at the least (forward, and backward to the inputs; neither
attention, the adapter nor what checkpointing computes again) against what products of large
bfloat16 matrices reach here."""


@dataclass(frozen=True, slots=True)
class Case:
    """One way of training on one workload."""

    workload: str
    micro_batch: int | None  # [rows] of plain PEFT; None: ours, packed
    checkpointing: bool
    speed: Speed | None  # None: out of memory, or not measured
    share: float | None = None  # of the chip's rate
    is_measured: bool = True

    @property
    def words(self) -> str:
        whose = "ours, packed" if self.micro_batch is None else f"PEFT, {self.micro_batch} rows"
        return f"{self.workload}, {whose}, {'with' if self.checkpointing else 'no'} checkpointing"

    @property
    def trained_per_second(self) -> float:
        return self.speed.trained_per_second if self.speed else 0.0


@dataclass(frozen=True, slots=True)
class Result:
    matmul_rate: float  # [FLOP/second] in bfloat16
    cases: list[Case]

    def ours(self, workload: str, *, checkpointing: bool) -> Case:
        return next(c for c in self._cases(workload, checkpointing) if c.micro_batch is None)

    def best_of_peft(self, workload: str, *, checkpointing: bool) -> Case:
        theirs = [c for c in self._cases(workload, checkpointing) if c.micro_batch is not None]
        return max(theirs, key=lambda case: case.trained_per_second)

    def _cases(self, workload: str, checkpointing: bool) -> Iterator[Case]:
        for case in self.cases:
            if (case.workload, case.checkpointing) == (workload, checkpointing):
                yield case


def bars(result: Result) -> list[Bar]:
    return [*_against_peft(result), *_memory(result)]


def _against_peft(result: Result) -> Iterator[Bar]:
    for checkpointing in (True, False):
        ours = result.ours(SHORT, checkpointing=checkpointing).trained_per_second
        theirs = result.best_of_peft(SHORT, checkpointing=checkpointing).trained_per_second
        way = "with checkpointing, as is the default" if checkpointing else "without"
        name = f"{SHORT}, {way}: trained tokens/s, times plain PEFT's at its best batch"
        yield Bar(name, TIMES_PEFT, ours / theirs if ours and theirs else None)


def _memory(result: Result) -> Iterator[Bar]:
    speed = result.ours(PACKED, checkpointing=True).speed
    for kind in ("allocated", "reserved"):
        value: int | None = getattr(speed, kind) if speed else None
        gib = value / GIB if value is not None else None
        name = f"{PACKED}: memory {kind} at its highest, with checkpointing"
        yield Bar(name, MOST_MEMORY, gib, is_most=True, unit=" GiB")


def write_report(path: Path, provenance: Provenance, result: Result) -> Path:
    """Write FILE.json and FILE.md; returns the latter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found = [] if is_rehearsal(provenance) else bars(result)
    told = {
        **asdict(provenance),
        "bars": [{**asdict(bar), "is_passed": bar.is_passed} for bar in found],
        **asdict(result),
    }
    text = json.dumps(told, indent=1, default=str)
    path.with_name(f"{path.name}.json").write_text(f"{text}\n", encoding="utf-8")
    page = path.with_name(f"{path.name}.md")
    page.write_text(render(provenance, result), encoding="utf-8")
    return page


def is_rehearsal(provenance: Provenance) -> bool:
    return provenance.machine["gpu"] is None


def render(provenance: Provenance, result: Result) -> str:
    rehearsed = is_rehearsal(provenance)
    title = "Training rehearsed on a CPU (no measurement)" if rehearsed else "Training on a GPU"
    rate = f"Products of bfloat16 matrices reach {result.matmul_rate / 1e12:,.2f} TFLOP/s."
    parts = [
        f"# {title}, {provenance.day:%Y-%m-%d}",
        *describe_provenance(provenance),
        f"{METHOD} {rate}",
        *([] if rehearsed else ["## What it is to reach", bars_table(bars(result))]),
        "## All cases",
        _table(result.cases),
    ]
    return "\n\n".join(parts) + "\n"


def _table(cases: Sequence[Case]) -> str:
    heads = (
        "workload",
        "batch",
        "checkpointing",
        "tokens/s",
        "trained tokens/s",
        "of the chip",
        "GiB allocated",
        "GiB reserved",
    )
    return table(heads, map(_row, cases), num_words=3)


def _row(case: Case) -> list[str]:
    whose = "ours, packed" if case.micro_batch is None else f"PEFT, {case.micro_batch} rows"
    words = [case.workload, whose, "yes" if case.checkpointing else "no"]
    speed = case.speed
    if speed is None:
        why = "out of memory" if case.is_measured else "not measured: no time was left"
        return [*words, why, *[number(None)] * 4]
    return [
        *words,
        number(speed.tokens_per_second, 0),
        number(speed.trained_per_second, 0),
        number(None) if case.share is None else f"{case.share:.0%}",
        *(number(None if m is None else m / GIB, 2) for m in (speed.allocated, speed.reserved)),
    ]
