"""`lora-chat adapters`: what lies under home, for a person to read."""

from pathlib import Path

from rich.cells import set_cell_size
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from data.local_time import local_time
from data.wording import N_, _
from finetune.adapters.card import AdapterCard, DataSummary
from finetune.adapters.version import AdapterVersion
from finetune.adapters.versions import (
    find_version,
    folder_names,
    list_versions,
    promoted_version,
    share_of,
)
from serving.adapters.notation import Part, parse_model
from serving.adapters.store import AdapterStore
from serving.errors import BlendError, ModelNotFound, ServingError
from serving.verification import Subject, verify

METRICS = {  # of a card
    "held_out_loss_base": N_("held out loss base"),
    "held_out_loss_adapter": N_("held out loss adapter"),
    "held_out_loss_training_precision": N_("held out loss training precision"),
    "held_out_loss_before": N_("held out loss before"),
    "num_steps": N_("num steps"),
    "best_step": N_("best step"),
    "num_corrections": N_("num corrections"),
    "num_corrections_learned": N_("num corrections learned"),
}
MARKS = {True: "ok", False: N_("FAILED"), None: "-"}


def print_adapters(home: Path, console: Console) -> None:
    """Every name; of damaged ones what is wrong, below the table."""
    adapters = home / "adapters"
    store = AdapterStore(adapters)
    table = Table(
        Column(_("name"), overflow="fold"),
        *(_("promoted"), _("versions")),
        Column(_("base"), overflow="fold"),
        _("held-out loss (base's)"),
        Column(_("made"), min_width=len(local_time(0)), no_wrap=True),
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
            cells = [name, _("damaged"), num_versions]
            problems.append(str(error))
        table.add_row(*(Text(cell) for cell in cells))
    if not table.row_count:
        told = _("There is no adapter under {folder} yet. Make one: lora-chat finetune DATA")
        problems = [told.format(folder=adapters)]
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
        (card.base.id if card else entry.settings.base_model_name_or_path) or _("unknown"),
        f"{losses[1]:.3f} ({losses[0]:.3f})" if losses else "",
        local_time(entry.created),
    ]


def print_adapter(name: str, home: Path, console: Console) -> None:
    """Raises ModelNotFound for an unknown one, AdapterRefused for a damaged one."""
    adapters = home / "adapters"
    first, *others = parse_model(name) or (Part(name),)
    if others:
        told = _("{name!r} is a blend. Name one adapter, such as {first!r}.")
        raise BlendError(told.format(name=name, first=first.name))
    store = AdapterStore(adapters)
    entry = store.entry(first)
    table = Table("", "", show_header=False, box=None)
    table.columns[0].style = "bold"
    table.columns[1].overflow = "fold"
    for label, value in _details(entry, store):
        table.add_row(label, Text(value))
    console.print(table)


def _share(adapters: Path, name: str) -> str:
    """Which version answers some of the requests, where one does."""
    share = share_of(adapters, name)
    told = _("{version} answers {percent} percent of the requests")
    return told.format(version=f"{name}@{share.version}", percent=share.percent) if share else ""


def _details(entry: AdapterVersion, store: AdapterStore) -> list[tuple[str, str]]:
    adapters = store.adapters
    ref, card = store.pin(entry), entry.card
    lora = entry.settings
    rows = [
        (_("adapter"), str(ref)),
        (_("versions"), ", ".join(list_versions(adapters, ref.name))),
        (_("promoted"), promoted_version(adapters, ref.name) or ""),
        (_("share"), _share(adapters, ref.name)),
        (_("folder"), str(ref.folder)),
        ("sha256", ref.sha256),
        (_("rank"), f"{lora.r}, alpha {lora.lora_alpha:g}{', rsLoRA' if lora.use_rslora else ''}"),
    ]
    if card is not None:
        rows += _of_card(card, ref.folder)
    else:
        if lora.base_model_name_or_path:
            named = _("{base}, as its configuration says")
            rows.append((_("base"), named.format(base=lora.base_model_name_or_path)))
        rows.append((_("card"), _("none: a bare PEFT folder")))
    return [(label, value) for label, value in rows if value]


def _held_out(data: DataSummary) -> str:
    if data.held_out_source is None:
        return str(data.num_held_out)
    size = _("{path}: {count:,} conversations")
    return size.format(path=data.held_out_source, count=data.num_held_out)


def _of_card(card: AdapterCard, folder: Path) -> list[tuple[str, str]]:
    data, imported = card.data, card.imported
    size = _("{path}: {count:,} conversations")
    return [
        (_("base"), card.base.id),
        (_("imported"), " ".join((f"{imported.source}.", *imported.notes)) if imported else ""),
        (_("data"), size.format(path=data.source, count=data.num_conversations) if data else ""),
        (_("held out"), _held_out(data) if data else ""),
        *((_metric(name), f"{value:.4g}") for name, value in card.metrics.items()),
        (_("system"), card.system or ""),
        (_("disclaimer"), card.disclaimer or ""),
        (_("created"), local_time(card.created)),
        (_("report"), "" if imported else str(folder / "report.html")),
    ]


def _metric(name: str) -> str:
    return _(METRICS.get(name, name.replace("_", " ")))


def print_verification(reference: str, base: str | None, home: Path, console: Console) -> bool:
    """One line a check; returns whether none has failed. Raises AdapterInvalid if there is none."""
    version = find_version(home / "adapters", reference)
    verdicts = verify(Subject(version, base, home))
    for verdict in verdicts:
        mark = _("warning") if verdict.is_doubtful else _(MARKS[verdict.passed])
        said = verdict.said
        if verdict.fix:
            said = _("{said}. {fix}").format(said=said.rstrip(".。"), fix=verdict.fix)
        console.print(Text(f"{set_cell_size(mark, 7)} {verdict.check:9} {said}"), soft_wrap=True)
    return all(verdict.passed for verdict in verdicts)
