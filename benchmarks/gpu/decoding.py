"""How fast our batch decodes for many adapters at once, with and without, beside PEFT's."""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import typer

from benchmarks.adapters import make_adapters
from benchmarks.markdown import describe_provenance, number, table
from benchmarks.provenance import Provenance
from benchmarks.random_base import LLAMA_2_7B, TINY, make_random_base
from benchmarks.serving.decode import RANK, Decoded, Lengths, OurDecoder, Place, Precision
from benchmarks.serving.peft_decode import PeftDecoder
from finetune.hardware import free_memory

PRECISIONS: tuple[Precision, ...] = ("nf4", "bf16")
COPIES = 5
METHOD = """\
A base of random weights decodes rows of random prompts greedily, in one process; the rows take the
adapters (rank 16, all seven projections of a layer) in their turn, and prompts are computed before
the measurement. PEFT decodes the same rows through `generate(adapter_names=…)`. Bandwidth: what a
step has to read at the least (the base, the adapters in use, keys and values of all rows) in its
time, as a share of what a copy reaches."""
Counts = Sequence[tuple[int, int]]  # adapters, rows


@dataclass(frozen=True, slots=True)
class Scale:
    sizes: dict[str, int]
    device: str
    adapters: tuple[int, ...]
    batches: tuple[int, ...]
    lengths: Lengths
    copied_bytes: int  # to measure the memory's bandwidth


FULL = Scale(LLAMA_2_7B, "cuda", (1, 8, 32), (1, 2, 4, 8, 16, 32, 64), Lengths(), 2 << 30)
REHEARSAL = Scale(TINY, "cpu", (1, 2), (1, 3), Lengths(prompt=8, warm_up=1, steps=2), 1 << 20)


@dataclass(frozen=True, slots=True)
class Case:
    """What one number of adapters and rows has shown."""

    precision: Precision
    num_adapters: int
    num_rows: int
    tokens_per_second: float
    without_adapters: float  # tokens a second
    peft: float  # tokens a second
    bandwidth_share: float  # of what a copy in the device's memory reaches


def compare(scratch: Path | None, path: Path, provenance: Provenance, *, is_tiny: bool) -> Path:
    """Measure, then write FILE.json and FILE.md; returns the latter."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        bandwidth, cases = measure(REHEARSAL if is_tiny else FULL, Path(folder))
    return write_report(path, provenance, bandwidth, cases)


def measure(scale: Scale, folder: Path) -> tuple[float, list[Case]]:
    """Returns the bandwidth of a copy [bytes/second] and every case."""
    base = make_random_base(folder / "random", scale.sizes, scale.device)
    adapters = make_adapters(folder, base, count=max(scale.adapters), rank=RANK)
    bandwidth = copy_bandwidth(scale.device, scale.copied_bytes)
    _say(f"a copy in memory: {bandwidth / 1e9:.1f} GB/s")
    cases: list[Case] = []
    for precision in PRECISIONS:
        place = Place(base, precision, scale.device)
        cases.extend(_measure(scale, place, adapters, bandwidth))
    return bandwidth, cases


def copy_bandwidth(device: str, num_bytes: int) -> float:
    """[bytes/second] read and written, in the best of several copies."""
    import torch

    source = torch.zeros(num_bytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(COPIES):
        begin = time.perf_counter()
        target.copy_(source)
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - begin)
    return 2 * num_bytes / best


def _measure(
    scale: Scale, place: Place, adapters: Mapping[str, Path], bandwidth: float
) -> Iterator[Case]:
    """Ours first, then PEFT's: both bases at once would take the memory that rows need."""
    counts = [
        (count, rows) for rows, count in product(scale.batches, scale.adapters) if count <= rows
    ]
    ours = _decode_ours(scale, place, adapters, counts)
    free_memory(place.device)
    peft = _decode_peft(scale, place, adapters, counts)
    free_memory(place.device)
    for count, rows in counts:
        mixed, without = ours[count, rows], ours[0, rows]
        share = mixed.step_bytes / mixed.step_seconds / bandwidth
        yield Case(
            place.precision,
            count,
            rows,
            mixed.tokens_per_second,
            without.tokens_per_second,
            peft[count, rows],
            share,
        )


def _decode_ours(
    scale: Scale, place: Place, adapters: Mapping[str, Path], counts: Counts
) -> dict[tuple[int, int], Decoded]:
    decoder = OurDecoder(place, adapters, max(scale.batches), scale.lengths)
    decoded: dict[tuple[int, int], Decoded] = {}
    for count, rows in [*((0, rows) for rows in scale.batches), *counts]:
        decoded[count, rows] = decoder.decode(count, rows)
        _say_rate("ours", place, count, rows, decoded[count, rows].tokens_per_second)
    return decoded


def _decode_peft(
    scale: Scale, place: Place, adapters: Mapping[str, Path], counts: Counts
) -> dict[tuple[int, int], float]:
    decoder = PeftDecoder(place, adapters, scale.lengths)
    rates: dict[tuple[int, int], float] = {}
    for count, rows in counts:
        rates[count, rows] = decoder.tokens_per_second(count, rows)
        _say_rate("PEFT", place, count, rows, rates[count, rows])
    return rates


def _say_rate(whose: str, place: Place, count: int, rows: int, rate: float) -> None:
    _say(f"{place.precision}, {count} adapters, {rows} rows, {whose}: {rate:.1f} tokens/s")


def _say(text: str) -> None:
    typer.echo(text, err=True)


def write_report(
    path: Path, provenance: Provenance, bandwidth: float, cases: Sequence[Case]
) -> Path:
    """Write FILE.json and FILE.md; returns the latter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {
        **asdict(provenance),
        "copy_bytes_per_second": bandwidth,
        "cases": [asdict(case) for case in cases],
    }
    text = json.dumps(told, indent=1, default=str)
    path.with_name(f"{path.name}.json").write_text(f"{text}\n", encoding="utf-8")
    report = path.with_name(f"{path.name}.md")
    report.write_text(render(provenance, bandwidth, cases), encoding="utf-8")
    return report


def render(provenance: Provenance, bandwidth: float, cases: Sequence[Case]) -> str:
    is_rehearsal = provenance.machine["gpu"] is None
    title = "Decoding rehearsed on a CPU (no measurement)" if is_rehearsal else "Decoding on a GPU"
    parts = [
        f"# {title}, {provenance.day:%Y-%m-%d}",
        *describe_provenance(provenance),
        f"{METHOD} A copy in this device's memory reaches {bandwidth / 1e9:,.1f} GB/s.",
        _table(cases),
    ]
    return "\n\n".join(parts) + "\n"


def _table(cases: Sequence[Case]) -> str:
    heads = (
        "weights",
        "adapters",
        "rows",
        "tokens/s",
        "without adapters",
        "PEFT",
        "× PEFT",
        "bandwidth",
    )
    rows = [
        [
            case.precision,
            str(case.num_adapters),
            str(case.num_rows),
            number(case.tokens_per_second),
            number(case.without_adapters),
            number(case.peft),
            number(case.tokens_per_second / case.peft, 2),
            f"{case.bandwidth_share:.0%}",
        ]
        for case in cases
    ]
    return table(heads, rows)
