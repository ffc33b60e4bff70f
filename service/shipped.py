"""The configurations that come with the program: listed, and written to start from."""

from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from data.whole_file import check_folder, whole_file
from data.wording import _


def shipped_configs() -> dict[str, Path]:
    """The shipped configs by name. They lie below this package in a wheel, beside the packages in
    a checkout."""
    here = Path(__file__).resolve().parent
    folder = here / "configs" if (here / "configs").is_dir() else here.parent / "configs"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def print_configs(console: Console) -> None:
    """Each with what the first line of its file says."""
    table = Table(_("name"), _("what it is for"), box=None, padding=(0, 2, 0, 0))
    table.columns[0].no_wrap = True
    table.columns[1].overflow = "fold"
    for name, path in shipped_configs().items():
        table.add_row(name, path.read_text(encoding="utf-8").splitlines()[0].lstrip("# "))
    console.print(table)


def write_config(name: str, out: Path | None) -> None:
    """Write a shipped config to a new file, or to standard output. Raises BadParameter or
    UnreadableFile."""
    path = shipped_configs().get(name.removesuffix(".yaml"))
    if path is None:
        told = _("there is none called {name!r}, but {known}")
        told = told.format(name=name, known=", ".join(shipped_configs()))
        raise typer.BadParameter(told, param_hint="NAME")
    text = path.read_text(encoding="utf-8")
    if out is None:
        typer.echo(text, nl=False)
        return
    if out.exists():
        told = _("{path} is there already").format(path=out)
        raise typer.BadParameter(told, param_hint="--out")
    check_folder(out)
    with whole_file(out) as file:
        file.write(text)
    told = _("{path} is there: change what you like, and give it as --config {path}")
    typer.echo(told.format(path=out))
