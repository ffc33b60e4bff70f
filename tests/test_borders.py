"""Data flows data -> finetune -> serving -> service; imports point only to the left."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("data", "finetune", "serving", "service")


def imports_of(tree: ast.AST) -> Iterator[str]:
    """The top-level package of every absolute import below a node."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def imports_at_module_level(tree: ast.Module) -> set[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    outside = [node for node in tree.body if not isinstance(node, functions)]
    return {name for node in outside for name in imports_of(node)}


def modules_of(room: str) -> list[Path]:
    modules = sorted((ROOT / room).rglob("*.py"))
    assert modules, f"{room} has no modules"
    return modules


@pytest.mark.parametrize("room", ROOMS)
def test_room_imports_none_to_its_right(room: str):
    forbidden = set(ROOMS[ROOMS.index(room) + 1 :])
    wrong = {
        str(path.relative_to(ROOT)): found
        for path in modules_of(room)
        if (found := forbidden & set(imports_of(ast.parse(path.read_bytes()))))
    }
    assert wrong == {}


@pytest.mark.parametrize("room", ["data", "service"])
def test_room_needs_no_torch_to_be_imported(room: str):
    wrong = [
        str(path.relative_to(ROOT))
        for path in modules_of(room)
        if "torch" in imports_at_module_level(ast.parse(path.read_bytes()))
    ]
    assert wrong == []
