"""What the page is made of, as its files say it: who imports whom, and what each view loads."""

import re
from functools import cache
from pathlib import PurePosixPath

from service.web.files import FOLDER, INDEX

PATHS = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())
LANGUAGES = ("en", "zh")
IMPORT = re.compile(r'^(?:import|export) .*?from "([^"]+)";', re.MULTILINE | re.DOTALL)
VIEW = re.compile(r'\{ id: "(\w+)", .*uses: \[(.*)\], load: \(\) => import\("\./(.+)"\) \},')


@cache
def text_of(path: str) -> str:
    return (FOLDER / path).read_text(encoding="utf-8")


# The other views that each one says it uses, by its name.
VIEWS = {
    name: re.findall(r'"(\w+)"', uses)
    for name, uses, path in VIEW.findall(text_of("views.js"))
    if path == f"{name}/view.js"
}


def imports_of(path: str) -> set[str]:
    """The modules that one imports always."""
    return {_beside(path, target) for target in IMPORT.findall(text_of(path))}


def _beside(path: str, target: str) -> str:
    assert target.startswith("."), f"{path}: without a build step there are no bare names"
    found = (FOLDER / path).parent.joinpath(target).resolve()
    return found.relative_to(FOLDER).as_posix()


def linked() -> list[str]:
    """What the page itself asks for."""
    return [
        path.removeprefix("web/") for path in re.findall(r'(?:href|src)="(.+?)"', text_of(INDEX))
    ]


def closure(*paths: str) -> set[str]:
    """These and all that comes with them."""
    found, waiting = set[str](), {*paths}
    while waiting:
        path = waiting.pop()
        found.add(path)
        waiting |= imports_of(path) - found if path.endswith(".js") else set()
    return found


def folders_of(view: str) -> list[str]:
    """Where its words and its styles are."""
    return [*VIEWS[view], view]


def loaded_by(view: str, language: str) -> set[str]:
    """All that a browser asks for until it shows the view."""
    words = [f"{folder}/words.{language}.js" for folder in ("shared", *folders_of(view))]
    styles = [f"{folder}/style.css" for folder in folders_of(view)]
    return closure(INDEX, *linked(), f"{view}/view.js", *words, *styles)


def folders_in(paths: set[str]) -> set[str]:
    return {PurePosixPath(path).parts[0] for path in paths if "/" in path}


def words(folder: str, language: str) -> dict[str, str]:
    """A folder's words. Every line of them is one, or empty."""
    text = text_of(f"{folder}/words.{language}.js")
    body = text.split("export const words = {\n")[1].removesuffix("};\n")
    lines = re.findall(r'^  "?([\w.]+)"?: "(.*)",$', body, re.MULTILINE)
    assert len(lines) == len([line for line in body.splitlines() if line]), "a line is none"
    assert len(lines) == len(dict(lines)), "a key stands twice"
    return dict(lines)
