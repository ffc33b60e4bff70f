"""Data flows data -> finetune -> serving -> service; imports point only to the left.

Inside a package the folders have borders too: what two neighbours know of one another points one
way, and no folder is a corridor.
"""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("data", "finetune", "serving", "service")
MOST_MODULES = 17  # in one folder, without its __init__.py
# What serving may know of finetune: bases, adapters' folders, and what imports next to nothing.
LIGHT = ("finetune.defaults", "finetune.errors", "finetune.free_cores", "finetune.hardware")
WORDS = {"data.wording"}  # in which everybody speaks; it imports nothing of ours
SERVED = ("finetune.bases", "finetune.adapters", *LIGHT)
# Known without torch: all that schedules, counts and reads can be tested in milliseconds.
TORCH_FREE = (
    *("data", "service", "serving/requests", "serving/adapters"),
    *(f"serving/torch/{name}.py" for name in ("scheduler", "blocks", "granules")),
)


@dataclass(frozen=True)
class Arrow:
    """One module imports another."""

    source: str
    target: str

    def in_folder(self) -> tuple[str, str, str]:
        """The folder where their ways part, and which of its modules and folders these are."""
        here, there = self.source.split("."), self.target.split(".")
        depth = next(i for i in range(len(here)) if here[i] != there[i])
        return ".".join(here[:depth]), here[depth], there[depth]


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules_of(room: str) -> list[Path]:
    start = ROOT / room
    modules = sorted(start.rglob("*.py")) if start.is_dir() else [start]
    assert modules, f"{room} has no modules"
    return modules


@cache
def all_modules() -> dict[str, Path]:
    return {dotted(path): path for room in (*ROOMS, "benchmarks") for path in modules_of(room)}


def imports_of(node: ast.AST, path: Path) -> Iterator[str]:
    """What is imported below a node of a file, by full names: modules, or packages' own names."""
    package = dotted(path.parent)
    for each in ast.walk(node):
        if isinstance(each, ast.Import):
            yield from (alias.name for alias in each.names)
        elif isinstance(each, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - each.level]
            source = ".".join([*(above if each.level else []), *filter(None, [each.module])])
            for alias in each.names:
                name = f"{source}.{alias.name}"
                yield name if name in all_modules() else source


def imports_at_module_level(path: Path) -> set[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(path.read_bytes())
    outside = [node for node in tree.body if not isinstance(node, functions)]
    return {name for node in outside for name in imports_of(node, path)}


@cache
def arrows() -> list[Arrow]:
    """All imports among our modules, in functions too."""
    return [
        Arrow(name, target)
        for name, path in all_modules().items()
        for target in sorted(set(imports_of(ast.parse(path.read_bytes()), path)))
        if target in all_modules() and target != name
    ]


def circle_of(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """One of the circles that the arrows close, if they close any."""
    graph: dict[str, set[str]] = defaultdict(set)
    for source, target in pairs:
        graph[source].add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def circles_between_neighbours() -> dict[str, list[str]]:
    """By folder: modules and folders in it that, in the end, import one another.

    A folder's own `__init__.py` re-exports what is inside, and is no neighbour of it.
    """
    ways: dict[str, set[tuple[str, str]]] = defaultdict(set)
    packages = {name for name, path in all_modules().items() if path.name == "__init__.py"}
    for arrow in arrows():
        if not {arrow.source, arrow.target} & packages:
            folder, here, there = arrow.in_folder()
            if folder:
                ways[folder].add((here, there))
    return {folder: circle for folder, pairs in ways.items() if (circle := circle_of(pairs))}


@pytest.mark.parametrize("room", ROOMS)
def test_room_imports_none_to_its_right(room: str):
    forbidden = set(ROOMS[ROOMS.index(room) + 1 :])
    wrong = {
        str(path.relative_to(ROOT)): found
        for path in modules_of(room)
        if (
            found := forbidden
            & {name.split(".")[0] for name in imports_of(ast.parse(path.read_bytes()), path)}
        )
    }
    assert wrong == {}


@pytest.mark.parametrize("room", TORCH_FREE)
def test_room_needs_no_torch_to_be_imported(room: str):
    wrong = [
        str(path.relative_to(ROOT))
        for path in modules_of(room)
        if any(name.split(".")[0] == "torch" for name in imports_at_module_level(path))
    ]
    assert wrong == []


def test_serving_knows_bases_and_adapters_of_finetune_and_little_else():
    wrong = {
        (arrow.source, arrow.target)
        for arrow in arrows()
        if arrow.source.startswith("serving.") and arrow.target.startswith("finetune")
        if not any(arrow.target == each or arrow.target.startswith(f"{each}.") for each in SERVED)
    }
    assert wrong == set()


@pytest.mark.parametrize("name", [*LIGHT, *WORDS])
def test_what_serving_may_know_of_finetune_besides_is_light(name: str):
    assert {arrow.target for arrow in arrows() if arrow.source == name} <= WORDS


def test_no_folder_is_a_corridor():
    modules = [path for path in all_modules().values() if path.name != "__init__.py"]
    sizes = Counter(str(path.parent.relative_to(ROOT)) for path in modules)
    assert {folder: size for folder, size in sizes.items() if size > MOST_MODULES} == {}


def test_no_modules_import_one_another_in_a_circle():
    assert circle_of((arrow.source, arrow.target) for arrow in arrows()) == []


def test_between_neighbours_imports_point_one_way():
    assert circles_between_neighbours() == {}


def test_nothing_but_the_source_lies_beside_the_source_of_compiled_code():
    """All files there make the compiled code's name."""
    folder = ROOT / "serving" / "torch" / "native" / "cpp"
    assert {path.suffix for path in folder.rglob("*.*")} == {".cpp", ".hpp"}
