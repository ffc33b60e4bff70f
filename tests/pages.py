"""What stands on the project's pages: blocks of code, commands, maps of folders."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parent.parent


def blocks(language: str, page: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)


def commands(page: str) -> list[list[str]]:
    """The lines for lora-chat, each as its words."""
    return [
        shlex.split(line, comments=True)
        for block in blocks("bash", page)
        for line in block.replace("\\\n", "").splitlines()
        if line.startswith("lora-chat ")
    ]


def map_of(page: str) -> set[str]:
    """The folders that the last block of a page draws, by their paths."""
    listed: set[str] = set()
    parents: list[str] = []
    for line in blocks("text", page)[-1].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        names = [word.rstrip("/") for word in line.split() if word.endswith("/")]
        assert line.split()[0].rstrip("/") == names[0], line
        parents = [*parents[:depth], names[0]]
        listed |= {"/".join([*parents[:depth], name]) for name in names}
    return listed
