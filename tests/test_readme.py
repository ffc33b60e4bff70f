"""The README tells the truth about files, commands and configurations."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from data.reading.dialogue import read_dialogue
from service.cli import app
from service.home import VARIABLE
from tests.data.reading.items import conversations_of

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PACKAGES = ("data", "finetune", "serving", "service")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_tree_names_every_module_and_nothing_else():
    listed: set[str] = set()
    parents: list[str] = []
    for line in blocks("text")[-1].splitlines():
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        parents = [*parents[:depth], name.rstrip("/")]
        if parents[0] in PACKAGES and name.endswith(".py"):
            listed.add("/".join(parents))
    modules = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }
    assert listed == {
        path for path in modules if "/migrations/" not in path and not path.endswith("__init__.py")
    }


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
    conversations = conversations_of(read_dialogue(blocks("text")[0], "README.md", {}))
    assert [len(conversation.messages) for conversation in conversations] == [2, 4]


@pytest.mark.parametrize("target", ["setup", "demo", "test", "test-all", "check"])
def test_the_makefile_has_what_is_promised(target: str):
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_named_paths_exist():
    for path in re.findall(r"(?:configs|data)/[\w./-]+\.\w+", README):
        assert (ROOT / path).exists(), path
    assert VARIABLE in README
