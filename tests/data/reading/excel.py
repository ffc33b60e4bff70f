"""Workbooks, no more of them than reading needs."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape


@dataclass(frozen=True)
class Formula:
    text: str  # as XML has it
    value: str | None = None  # that was saved with it


Cell = str | float | Formula
XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def write_xlsx(
    path: Path, sheets: Mapping[str, Sequence[Sequence[Cell]]], merged: Sequence[str] = ()
) -> None:
    """`merged` are ranges of each sheet, such as A2:A4."""
    numbered = list(enumerate(sheets, start=1))
    entries = "".join(
        f'<sheet name="{escape(name)}" sheetId="{number}" r:id="r{number}"/>'
        for number, name in numbered
    )
    targets = {
        f"r{number}": (f"worksheets/sheet{number}.xml", "worksheet") for number, _ in numbered
    }
    parts = {
        "[Content_Types].xml": f'{XML}<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
        'relationships+xml"/><Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": _relationships({"r1": ("xl/workbook.xml", "officeDocument")}),
        "xl/workbook.xml": f'{XML}<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">'
        f"<sheets>{entries}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": _relationships(targets),
    }
    for number, name in numbered:
        parts[f"xl/worksheets/sheet{number}.xml"] = _sheet(sheets[name], merged)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def _relationships(targets: Mapping[str, tuple[str, str]]) -> str:
    entries = "".join(
        f'<Relationship Id="{key}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for key, (target, kind) in targets.items()
    )
    return f'{XML}<Relationships xmlns="{PACKAGE}/relationships">{entries}</Relationships>'


def _sheet(rows: Sequence[Sequence[Cell]], merged: Sequence[str]) -> str:
    cells = "".join(
        f'<row r="{line}">{"".join(_cell(value, line, at) for at, value in enumerate(row))}</row>'
        for line, row in enumerate(rows, start=1)
    )
    ranges = "".join(f'<mergeCell ref="{each}"/>' for each in merged)
    joined = f"<mergeCells>{ranges}</mergeCells>" if merged else ""
    data = f"<sheetData>{cells}</sheetData>{joined}"
    return f'{XML}<worksheet xmlns="{MAIN}">{data}</worksheet>'


def _cell(value: Cell, line: int, at: int) -> str:
    place = f"{chr(ord('A') + at)}{line}"
    if isinstance(value, Formula):
        saved = "" if value.value is None else value.value
        return f'<c r="{place}" t="str"><f>{value.text}</f><v>{saved}</v></c>'
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'
