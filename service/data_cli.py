"""`lora-chat data`: look at training data, check it, convert it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

data_app = typer.Typer(
    no_args_is_help=True,
    help="Check, look at and convert training data.",
    epilog="Example: `lora-chat data check my-clinic.txt --report report.html`",
)

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE…", help="Files or folders; - for standard input, hf:NAME for the hub's."
    ),
]
RolesOption = Annotated[
    str | None,
    typer.Option(
        help="Who is who in a dialogue: 'Anna=user,Ben=assistant'.", metavar="NAME=ROLE,…"
    ),
]
MapOption = Annotated[
    str | None,
    typer.Option(
        "--map", help="What fields are called: 'question=ask,answer=reply'.", metavar="FIELD=NAME,…"
    ),
]


@data_app.command(epilog="Example: `lora-chat data check my-clinic.txt --report report.html`")
def check(
    files: Files,
    roles: RolesOption = None,
    columns: MapOption = None,
    report: Annotated[
        Path | None, typer.Option(help="Write what was found to an HTML file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Say everything that is wrong or suspicious; exit 1 where training would refuse the data."""
    from rich.console import Console

    from data.check import check as check_items
    from data.reader import read_items
    from data.report import write_report

    from .findings import as_dict, print_findings

    findings = check_items(read_items(files, read_options(roles, columns)))
    if report is not None:
        write_report(findings, files, report)
    if as_json:
        typer.echo(json.dumps(as_dict(findings), ensure_ascii=False, indent=1))
    else:
        print_findings(findings, Console(), report)
    if findings.num_errors:
        raise typer.Exit(1)


def read_options(roles: str | None, columns: str | None) -> Any:
    """Raises BadParameter for what cannot be read."""
    from data.conversation import Role
    from data.dialogue import ROLE_WORDS
    from data.reader import ReadOptions

    known: dict[str, Role] = {role: role for role in ROLE_WORDS}
    by_name: dict[str, Role] = {}
    for name, role in _pairs(roles, "--roles").items():
        if role not in known:
            message = f"{role!r} is no role; choose from {', '.join(known)}"
            raise typer.BadParameter(message, param_hint="--roles")
        by_name[name.lower()] = known[role]
    return ReadOptions(by_name, _pairs(columns, "--map"))


def _pairs(text: str | None, option: str) -> Mapping[str, str]:
    pairs: dict[str, str] = {}
    for pair in (text or "").replace("，", ",").split(","):
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not pair.strip():
            continue
        if not name or not equals or not value:
            raise typer.BadParameter(f"{pair!r} is not of the form name=value", param_hint=option)
        pairs[name] = value
    return pairs
