"""How fast `lora-chat data check` reads a large file, and in how much memory, on one core.

The rows are of about one kilobyte, Chinese and English; one in a hundred is an earlier one again,
and one in a hundred an earlier one with a few other characters.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Annotated, Any

import typer

from benchmarks.markdown import describe_provenance, number, table
from benchmarks.provenance import RESULTS, describe, shown_command

MB = 1_000_000
ALPHABETS = ("".join(map(chr, range(0x4E00, 0x5600))), "abcdefghijklmnopqrstuvwxyz     ")
LENGTHS = ((60, 250), (200, 700))  # [characters] of question and answer, of either alphabet
SHARE = 0.01  # of the rows that are earlier ones, and as many again that nearly are
NUM_REMEMBERED = 1000
NEEDED = {"megabytes a second": ("≥", 5.0), "megabytes of memory": ("≤", 1000.0)}

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, slots=True)
class Checked:
    megabytes: float
    rows: int
    seconds: float
    peak_megabytes: float
    counts: dict[str, int]  # warnings by kind

    @property
    def megabytes_per_second(self) -> float:
        return self.megabytes / self.seconds


@app.command()
def main(
    megabytes: Annotated[int, typer.Option(min=1, help="Of the file.")] = 1000,
    out: Annotated[
        Path | None,
        typer.Option(help="The result, without ending. [default: benchmarks/results/DAY-data]"),
    ] = None,
    scratch: Annotated[Path | None, typer.Option(help="Where the file is made.")] = None,
) -> None:
    """Make a file, check it on one core, write what it took: FILE.json and FILE.md."""
    path = out or RESULTS / f"{date.today():%Y-%m-%d}-data"
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        file = Path(folder) / "rows.jsonl"
        num_rows = write_rows(file, megabytes * MB)
        checked = check(file, num_rows)
    typer.echo(_write(path, checked))


def write_rows(path: Path, num_bytes: int) -> int:
    written = count = 0
    with path.open("wb") as file:
        for row in _rows():
            line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
            file.write(line)
            written += len(line)
            count += 1
            if written >= num_bytes:
                return count
    return count


def _rows() -> Iterator[dict[str, str]]:
    random = Random(0)
    remembered: list[dict[str, str]] = []
    while True:
        chance = random.random()
        if chance < 2 * SHARE and remembered:
            row = dict(random.choice(remembered))
            if chance < SHARE:
                row["answer"] = f"{row['answer'][:-4]}{random.randrange(10_000):04}"
            yield row
            continue
        kind = random.randrange(2)
        question, answer = (
            "".join(random.choices(ALPHABETS[kind], k=length)).strip() for length in LENGTHS[kind]
        )
        row = {"question": f"{question}?", "answer": f"{answer}."}
        if len(remembered) < NUM_REMEMBERED:
            remembered.append(row)
        yield row


def check(path: Path, num_rows: int) -> Checked:
    """Check a file in a process of its own, on one core; memory at its highest."""
    command = [sys.executable, "-m", "benchmarks.data.check", str(path)]
    begin = time.perf_counter()
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    found: dict[str, Any] = json.loads(answer.stdout)
    assert found["conversations"] == num_rows
    return Checked(
        path.stat().st_size / MB, num_rows, seconds, found["peak_megabytes"], found["counts"]
    )


def _write(path: Path, checked: Checked) -> Path:
    provenance = describe(date.today(), shown_command("data", sys.argv[1:]))
    measured = {
        "megabytes a second": checked.megabytes_per_second,
        "megabytes of memory": checked.peak_megabytes,
    }
    bars: list[list[str]] = []
    for name, (sign, bar) in NEEDED.items():
        value = measured[name]
        passed = value >= bar if sign == "≥" else value <= bar
        bars.append([name, f"{sign} {bar:,.0f}", number(value), "pass" if passed else "**fail**"])
    counts = [[kind, f"{count:,}"] for kind, count in checked.counts.items()]
    size = f"{checked.megabytes:,.0f} MB, {checked.rows:,} rows, {checked.seconds:,.0f} s"
    parts = [
        f"# Checking data, {provenance.day}",
        *describe_provenance(provenance),
        f"`lora-chat data check` of JSON lines on one core: {size}.",
        table(["what", "needed", "measured", ""], bars),
        "## What was found",
        table(["kind", "warnings"], counts),
    ]
    path.with_suffix(".md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    record = {**asdict(provenance), "checked": asdict(checked)}
    path.with_suffix(".json").write_text(
        json.dumps(record, ensure_ascii=False, indent=1, default=str) + "\n", encoding="utf-8"
    )
    return path.with_suffix(".md")


if __name__ == "__main__":
    app()
