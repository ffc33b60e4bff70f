"""Numbers and tables as Markdown has them."""

from collections.abc import Iterable, Sequence
from typing import Any

from .provenance import Provenance
from .summary import Cell

UNKNOWN = "–"
GIB = 1 << 30


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], num_words: int = 1) -> str:
    """Lines of a table; after the first `num_words` columns they are numbers."""
    rules = ["---"] * num_words + ["---:"] * (len(heads) - num_words)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rules, *rows))


def number(value: float | None, digits: int = 1, unit: str = "") -> str:
    return UNKNOWN if value is None else f"{value:,.{digits}f}{unit}"


def spread(cell: Cell | None, digits: int = 1, factor: float = 1) -> str:
    """The median, and the rounds' least and most where they are several."""
    if cell is None:
        return UNKNOWN
    middle, low, high = (
        number(value * factor, digits) for value in (cell.median, cell.low, cell.high)
    )
    return middle if len(cell.rounds) == 1 else f"{middle} ({low}–{high})"


def describe_provenance(provenance: Provenance) -> list[str]:
    """Paragraphs."""
    versions = ", ".join(f"{name} {version}" for name, version in provenance.versions.items())
    return [
        f"Machine: {_describe_machine(provenance.machine)}",
        f"Versions: {versions}",
        f"```bash\n{provenance.command}\n```",
    ]


def _describe_machine(machine: dict[str, Any]) -> str:
    features = ", ".join(machine["features"])
    memory = f"{machine['memory_bytes'] / GIB:.0f} GiB of memory"
    gpu = ""
    if machine["gpu"]:
        gpu = f", {machine['gpu']} with {machine['gpu_memory_bytes'] / GIB:.0f} GiB"
    cores = f"{machine['cpu']}, {machine['num_cores']} cores ({features})"
    return f"{cores}, {memory}{gpu}, {machine['system']}"
