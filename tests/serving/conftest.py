"""Engines are asked in an event loop: an `async def` test runs in one of its own."""

import asyncio
import inspect

import pytest

from serving.torch.native.kept import library_path, load
from serving.torch.native.library import Library
from tests.conftest import MakeOnce
from tests.serving.engines import compile_library


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(scope="session")
def library(make_once: MakeOnce) -> Library:
    """The compiled forward pass."""
    found = load(library_path(make_once("compiled", compile_library)))
    if found is None:
        pytest.skip("no C++ compiler")
    return found
