"""The pages in docs/ and the README tell the truth about folders, commands and options."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from service.cli import app
from service.reference import reference
from tests.pages import ROOT, commands, map_of

PACKAGES = ("data", "finetune", "serving", "service")
MADE = "cli.md"  # from the program
WRITTEN = [*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md")]
PAGES = sorted(path for path in WRITTEN if path.name != MADE)
PREPOSITION = re.compile(
    "(?:of|as|by|with|in|to|from|for|at|on|without|beside|behind|before|after|while|until|like|than"
    r"|within|under|over|since|per|through|between)[,;:.]*(?!\S)",
    re.IGNORECASE,
)


def folders_below(folder: Path) -> set[str]:
    """Those with files in them, but not alembic's own."""
    found = {path.parent.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {
        path.as_posix()
        for path in found
        if path.name not in ("", "__pycache__") and path.parent.name != "migrations"
    }


def test_the_map_names_every_folder_and_nothing_else():
    listed = map_of((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    assert listed >= set(PACKAGES)
    assert all((ROOT / path).is_dir() for path in listed)
    for package in PACKAGES:
        below = {path.partition("/")[2] for path in listed if path.startswith(f"{package}/")}
        assert below == folders_below(ROOT / package)


def test_the_short_map_of_the_readme_is_part_of_the_long_one():
    short, long = (
        map_of((ROOT / page).read_text(encoding="utf-8"))
        for page in ("README.md", "docs/architecture.md")
    )
    assert set(PACKAGES) <= short <= long


def test_the_map_of_the_benchmarks_names_every_folder_and_nothing_else():
    folder = ROOT / "benchmarks"
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert map_of(page) == folders_below(folder)


def described() -> list[str]:
    """Every module and every folder of code, by the file whose docstring says what it is."""
    files = {path for folder in (*PACKAGES, "benchmarks") for path in (ROOT / folder).rglob("*.py")}
    files |= {path.parent / "__init__.py" for path in files if "migrations" not in path.parts}
    return sorted(str(path.relative_to(ROOT)) for path in files)


def fault_of(path: str) -> str | None:
    """What is wrong with a file's docstring."""
    docstring = ast.get_docstring(ast.parse((ROOT / path).read_bytes()))
    if not docstring:
        return "no docstring"
    first, *rest = docstring.splitlines()
    if len(first) > 100:
        return f"a first line of {len(first)} characters"
    if not first.endswith((".", "?")) or (rest and rest[0].strip()):
        return "a first line that is not complete in itself"
    return None


def test_every_first_line_says_what_a_file_or_folder_is():
    assert {path: fault for path in described() if (fault := fault_of(path))} == {}


def leaning(path: str) -> list[str]:
    """A file's docstrings that begin with a preposition, so that they need the name above."""
    nodes = ast.walk(ast.parse((ROOT / path).read_bytes()))
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = [ast.get_docstring(node) or "" for node in nodes if isinstance(node, kinds)]
    return [docstring for docstring in docstrings if PREPOSITION.match(docstring)]


def test_docstrings_can_be_understood_without_the_name_above_them():
    paths = [path for path in described() if "migrations" not in Path(path).parts]
    assert {path: found for path in paths if (found := leaning(path))} == {}


def test_the_page_of_commands_is_up_to_date():
    page = (ROOT / "docs" / MADE).read_text(encoding="utf-8")
    assert page == reference(), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_command_parses(page: Path):
    for _, *words in commands(page.read_text(encoding="utf-8")):
        command: Any = typer.main.get_command(app)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context(command.name, words)  # raises a usage error otherwise


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files_and_to_headings(page: Path):
    text = page.read_text(encoding="utf-8")
    for path, heading in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
        target = page.parent / path if path else page
        assert target.exists(), path
        if heading:
            assert heading in anchors(target), f"{path}#{heading}"


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_named_paths_exist(page: Path):
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"(?<![\w/.])(?:configs|data)/[\w./-]+\.\w+", text):
        assert (ROOT / path).exists(), path
