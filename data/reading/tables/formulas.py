"""Formulas in a workbook that were written by a program and never computed: without a value."""

import re
import zipfile
from collections.abc import Iterator
from html import unescape
from posixpath import join, normpath
from typing import BinaryIO
from xml.etree import ElementTree

RELATIONS = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
CELL = re.compile(rb"<(?:\w+:)?c[\s>]")  # begins one
PLACE = re.compile(rb'\br="([A-Z]{1,3})(\d{1,7})"')
FORMULA = re.compile(rb"<(?:\w+:)?f(?:\s[^>]*)?>([^<]*)<")
VALUE = re.compile(rb"<(?:\w+:)?v(?:\s[^>]*)?>[^<]")

Formulas = dict[tuple[int, int], str]  # by row and column, from 0


def find_unsaved(file: BinaryIO) -> dict[str, Formulas]:
    """Unsaved formulas by their sheet's name; nothing of what is no workbook that Excel would
    write."""
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            paths = _sheets(archive)
            return {name: dict(_unsaved(archive.read(path))) for name, path in paths.items()}
    except (zipfile.BadZipFile, KeyError, ElementTree.ParseError, NotImplementedError, ValueError):
        return {}


def _sheets(archive: zipfile.ZipFile) -> dict[str, str]:
    """Where each sheet lies in the archive."""
    relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    targets = {each.get("Id"): each.get("Target", "") for each in relations}
    workbook = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    sheets = {
        each.get("name", ""): targets.get(each.get(RELATIONS), "")
        for each in workbook.iter()
        if each.tag.endswith("}sheet")
    }
    paths = {name: normpath(join("/xl", target)).lstrip("/") for name, target in sheets.items()}
    return {name: path for name, path in paths.items() if path.endswith(".xml")}


def _unsaved(sheet: bytes) -> Iterator[tuple[tuple[int, int], str]]:
    if b"<f" not in sheet and b":f" not in sheet:
        return
    for cell in CELL.split(sheet)[1:]:
        formula, place = FORMULA.search(cell), PLACE.search(cell)
        if formula and place and not VALUE.search(cell):
            row = int(place[2]) - 1
            yield (row, _column(place[1].decode())), unescape(formula[1].decode("utf-8", "replace"))


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1
