"""The README tells the truth about files, commands and configurations."""

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from service.cli import app
from service.home import VARIABLE
from tests.data.reading.items import conversations_of, dialogue_items

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGES = ("data", "finetune", "serving", "service")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def map_of(text: str) -> set[str]:
    """The folders that the last block of a page draws, by their paths."""
    listed: set[str] = set()
    parents: list[str] = []
    for line in re.findall(r"```text\n(.*?)```", text, flags=re.DOTALL)[-1].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        parents = [*parents[:depth], line.split()[0].rstrip("/")]
        assert line.split()[0].endswith("/"), line
        listed.add("/".join(parents))
    return listed


def folders_below(folder: Path) -> set[str]:
    """Those with files in them, but not alembic's own."""
    found = {path.parent.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {
        path.as_posix()
        for path in found
        if path.name not in ("", "__pycache__") and path.parent.name != "migrations"
    }


def test_the_map_names_every_folder_and_nothing_else():
    listed = map_of(README)
    assert listed >= set(PACKAGES)
    assert all((ROOT / path).is_dir() for path in listed)
    for package in PACKAGES:
        below = {path.partition("/")[2] for path in listed if path.startswith(f"{package}/")}
        assert below == folders_below(ROOT / package)


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


def test_every_command_in_the_readme_parses():
    commands = [
        shlex.split(line, comments=True)
        for block in blocks("bash")
        for line in block.splitlines()
        if line.startswith("lora-chat ")
    ]
    assert len(commands) >= 5
    root: Any = typer.main.get_command(app)
    for _, name, *arguments in commands:
        root.commands[name].make_context(name, arguments)  # raises a usage error otherwise


def test_the_example_dialogue_reads_as_two_conversations():
    conversations = conversations_of(dialogue_items(blocks("text")[0]))
    assert [len(conversation.messages) for conversation in conversations] == [2, 4]


@pytest.mark.parametrize("target", ["setup", "demo", "test", "test-all", "check"])
def test_the_makefile_has_what_is_promised(target: str):
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_named_paths_exist():
    for path in re.findall(r"(?:configs|data)/[\w./-]+\.\w+", README):
        assert (ROOT / path).exists(), path
    assert VARIABLE in README
