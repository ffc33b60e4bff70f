"""The table of endpoints: it is what the routes answer, and nobody else writes their paths."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import Route

import service
from service.http import endpoints
from service.http.endpoints import ENDPOINTS, NONE, find_endpoint
from serving.engine import Engine
from serving.scripted import ScriptedEngine

SERVICE = Path(next(iter(service.__path__)))
PAST_PARAMETERS = re.compile(r"/?\{.*")
STARTS = {PAST_PARAMETERS.sub("", each.path).rstrip("/") for each in ENDPOINTS} - {""}
WRITTEN = re.compile(rf"({'|'.join(map(re.escape, sorted(STARTS)))})(?![\w.-])")


def routes_of(router: Any) -> Iterator[tuple[str, str]]:
    for route in router.routes:
        if included := getattr(route, "original_router", None):  # FastAPI's, of include_router
            yield from routes_of(included)
            continue
        assert isinstance(route, Route), f"{route} answers requests past the table"
        yield from ((method, route.path) for method in (route.methods or set()) - {"HEAD"})


def strings_of(path: Path) -> Iterator[tuple[int, str]]:
    """Those that the code of a file works with: all but the ones that stand by themselves."""
    tree = ast.parse(path.read_bytes())
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
    for node in constants:
        if isinstance(node.value, str) and id(node) not in alone:
            yield node.lineno, node.value


def paths_in(path: Path) -> list[tuple[int, str]]:
    return sorted((line, text) for line, text in strings_of(path) if WRITTEN.search(text))


def test_the_table_is_what_the_routes_answer(build: Callable[[Engine], FastAPI]):
    answered = list(routes_of(build(ScriptedEngine())))
    listed = [(each.method, each.path) for each in ENDPOINTS]
    assert sorted(answered) == sorted(listed)
    assert len(set(listed)) == len(listed)


def test_no_endpoints_path_is_written_outside_the_table():
    modules = [path for path in SERVICE.rglob("*.py") if path != Path(endpoints.__file__)]
    written = {str(path): found for path in modules if (found := paths_in(path))}
    assert len(modules) > 100
    assert written == {}


def test_a_path_that_is_written_is_found_in_whatever_stands_around_it(tmp_path: Path):
    path = tmp_path / "module.py"
    path.write_text(
        '"""/v1/models"""\nget(f"{url}/v1/models/{name}")\nask("POST /tokenize now")\n'
        'ask("/tokenizers", "a/docs.py", "/v1")\n'
    )
    assert paths_in(path) == [(2, "/v1/models/"), (3, "POST /tokenize now")]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: f"{each.method} {each.path}")
def test_every_endpoint_is_found_by_its_method_and_a_path(endpoint: endpoints.Endpoint):
    filled = re.sub(r"\{\w+:path\}", "a/中医@2", endpoint.path)
    filled = re.sub(r"\{\w+\}", "中医@2", filled)
    assert find_endpoint(endpoint.method, filled) is endpoint


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/models"),
        ("POST", "/health"),
        ("GET", ""),
        ("GET", "/v1/adapters/a/b"),
        ("GET", "/v1/adapters/"),
        ("DELETE", "/v1/models"),
        ("GET", "/health\n"),
        ("GET", "/v1/models/{model:path}\n"),
    ],
)
def test_what_no_endpoint_has_is_none_of_them_and_needs_an_admin(method: str, path: str):
    assert find_endpoint(method, path) is NONE
    assert (NONE.needs, NONE.is_probe, NONE.generates) == ("admin", False, False)
