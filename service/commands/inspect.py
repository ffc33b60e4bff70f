"""`lora-chat adapters`: what lies under home, for a person to read."""

from pathlib import Path

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from data.local_time import local_time
from finetune.adapters.version import AdapterVersion
from finetune.adapters.versions import find_version, folder_names, list_versions, promoted_version
from serving.adapters.notation import Part, parse_model
from serving.adapters.store import AdapterStore
from serving.errors import BlendError, ModelNotFound, ServingError
from serving.verification import Subject, verify

BARE = ("card", "none: a bare PEFT folder")


def print_adapters(home: Path, console: Console) -> None:
    """Every name; of damaged ones what is wrong, below the table."""
    adapters = home / "adapters"
    store = AdapterStore(adapters)
    table = Table(
        Column("name", overflow="fold"),
        *("promoted", "versions"),
        Column("base", overflow="fold"),
        "held-out loss (base's)",
        Column("made", min_width=len(local_time(0)), no_wrap=True),
        box=None,
    )
    problems: list[str] = []
    for name in folder_names(adapters):
        num_versions = str(len(list_versions(adapters, name)))
        try:
            cells = _cells(store.entry(Part(name)), num_versions)
        except ModelNotFound:  # a folder of something else
            continue
        except ServingError as error:
            cells = [name, "damaged", num_versions]
            problems.append(str(error))
        table.add_row(*(Text(cell) for cell in cells))
    if not table.row_count:
        problems = [f"There is no adapter under {adapters} yet. Make one: lora-chat finetune DATA"]
    else:
        console.print(table)
    for problem in problems:
        console.print(Text(problem), soft_wrap=True)


def _cells(entry: AdapterVersion, num_versions: str) -> list[str]:
    card = entry.card
    losses = card and card.losses
    return [
        entry.name,
        entry.number,
        num_versions,
        (card.base.id if card else entry.settings.base_model_name_or_path) or "unknown",
        f"{losses[1]:.3f} ({losses[0]:.3f})" if losses else "",
        local_time(entry.created),
    ]


def print_adapter(name: str, home: Path, console: Console) -> None:
    """Raises ModelNotFound for an unknown one, AdapterRefused for a damaged one."""
    adapters = home / "adapters"
    first, *others = parse_model(name) or (Part(name),)
    if others:
        raise BlendError(f"{name!r} is a blend. Name one adapter, such as {first.name!r}.")
    store = AdapterStore(adapters)
    entry = store.entry(first)
    table = Table("", "", show_header=False, box=None)
    table.columns[0].style = "bold"
    table.columns[1].overflow = "fold"
    for label, value in _details(entry, store):
        table.add_row(label, Text(value))
    console.print(table)


def _details(entry: AdapterVersion, store: AdapterStore) -> list[tuple[str, str]]:
    adapters = store.adapters
    ref, card = store.pin(entry), entry.card
    lora = entry.settings
    rows = [
        ("adapter", str(ref)),
        ("versions", ", ".join(list_versions(adapters, ref.name))),
        ("promoted", promoted_version(adapters, ref.name) or ""),
        ("folder", str(ref.folder)),
        ("sha256", ref.sha256),
        ("rank", f"{lora.r}, alpha {lora.lora_alpha:g}{', rsLoRA' if lora.use_rslora else ''}"),
    ]
    if card is None:
        named = ("base", f"{lora.base_model_name_or_path}, as its configuration says")
        return [*rows, *([named] if lora.base_model_name_or_path else []), BARE]
    data, imported = card.data, card.imported
    rows += [
        ("base", card.base.id),
        ("imported", " ".join((f"{imported.source}.", *imported.notes)) if imported else ""),
        ("data", f"{data.source}: {data.num_conversations} conversations" if data else ""),
        ("held out", str(data.num_held_out) if data else ""),
        *((name.replace("_", " "), f"{value:.4g}") for name, value in card.metrics.items()),
        ("system", card.system or ""),
        ("disclaimer", card.disclaimer or ""),
        ("created", local_time(card.created)),
        ("report", "" if imported else str(ref.folder / "report.html")),
    ]
    return [(label, value) for label, value in rows if value]


def print_verification(reference: str, base: str | None, home: Path, console: Console) -> bool:
    """One line a check; returns whether none has failed. Raises AdapterInvalid if there is none."""
    version = find_version(home / "adapters", reference)
    verdicts = verify(Subject(version, base, home))
    for verdict in verdicts:
        mark = {True: "ok", False: "FAILED", None: "-"}[verdict.passed]
        mark = "warning" if verdict.is_doubtful else mark
        said = f"{verdict.said.rstrip('.')}. {verdict.fix}" if verdict.fix else verdict.said
        console.print(Text(f"{mark:7} {verdict.check:9} {said}"), soft_wrap=True)
    return all(verdict.passed for verdict in verdicts)
