"""The README, in both languages, tells the truth about files, commands and configurations."""

import ast
import re
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from finetune.bases.catalogue import read_catalogue
from service.cli import app
from service.home import VARIABLE
from tests.data.reading.items import conversations_of, dialogue_items

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
LINES_OF_A_SCREEN = 15
PACKAGES = ("data", "finetune", "serving", "service")


in_both_languages = pytest.mark.parametrize("page", [README, CHINESE], ids=["en", "zh"])


def blocks(language: str, page: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)


def commands(page: str) -> list[list[str]]:
    """The lines for lora-chat, each as its words."""
    return [
        shlex.split(line, comments=True)
        for block in blocks("bash", page)
        for line in block.splitlines()
        if line.startswith("lora-chat ")
    ]


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


@in_both_languages
def test_every_command_in_the_readme_parses(page: str):
    assert len(commands(page)) >= 5
    for _, *words in commands(page):
        command: Any = typer.main.get_command(app)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context(command.name, words)  # raises a usage error otherwise


@in_both_languages
def test_the_example_dialogue_reads_as_two_conversations(page: str):
    conversations = conversations_of(dialogue_items(blocks("text", page)[0]))
    assert [len(conversation.messages) for conversation in conversations] == [2, 4]


def test_chinese_has_every_command_for_a_file_of_ones_own_perhaps_with_more_options():
    section = README.partition("## Your own file\n")[2].partition("\n## ")[0]
    assert len(commands(section)) >= 5
    known = [Counter(words) for words in commands(CHINESE)]
    missing = [
        " ".join(words)
        for words in commands(section)
        if not any(Counter(words) <= each for each in known)
    ]
    assert missing == []


def test_chinese_has_its_first_command_on_the_first_screen_and_is_short():
    lines = CHINESE.splitlines()
    assert "```bash" in lines[: LINES_OF_A_SCREEN - 1]
    assert len(lines) <= 150


def test_chinese_begins_with_a_base_that_speaks_it():
    first = next(words for words in commands(CHINESE) if words[1] == "finetune")
    config = yaml.safe_load((ROOT / first[first.index("--config") + 1]).read_text("utf-8"))
    known = {base.hub_id: base for base in read_catalogue().bases}
    assert known[config["base_model"]].speaks_chinese


def test_chinese_has_no_figures_of_its_own():
    pages = [README, (ROOT / "docs" / "bases.md").read_text("utf-8")]
    pages += [path.read_text("utf-8") for path in (ROOT / "configs").glob("qwen*.yaml")]
    assert figures(CHINESE) <= figures("\n".join(pages))


def figures(page: str) -> set[str]:
    return set(re.findall(r"\d+(?:[.,]\d+)*", page))


@in_both_languages
def test_links_lead_to_files(page: str):
    targets = re.findall(r"\]\(((?!https?:)[^)#]+)[^)]*\)", page)
    assert targets
    missing = [target for target in targets if not (ROOT / target).exists()]
    assert missing == []


def test_each_language_links_to_the_other_at_its_top():
    assert "](README.zh-CN.md)" in README.splitlines()[2]
    assert "](README.md)" in CHINESE.splitlines()[2]


@pytest.mark.parametrize("target", ["setup", "demo", "test", "test-all", "check"])
def test_the_makefile_has_what_is_promised(target: str):
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


@in_both_languages
def test_named_paths_exist(page: str):
    for path in re.findall(r"(?:configs|data)/[\w./-]+\.\w+", page):
        assert (ROOT / path).exists(), path


def test_the_variable_for_the_home_is_named():
    assert VARIABLE in README
