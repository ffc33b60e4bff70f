"""A start that fails says why: in a sentence if that is known, with a traceback if not."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from fastapi import FastAPI

from finetune.errors import BaseUnusable
from service.server import http_config
from service.settings import ServiceSettings
from serving.errors import EngineFailed


def start(error: Exception) -> None:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        raise error
        yield

    with pytest.raises(SystemExit):
        uvicorn.Server(http_config(FastAPI(lifespan=lifespan), ServiceSettings(port=0))).run()


@pytest.mark.parametrize("kind", [EngineFailed, BaseUnusable])
def test_what_is_known_is_a_sentence(kind: type[Exception], caplog: pytest.LogCaptureFixture):
    start(kind("There is no vLLM here. Install it."))
    assert "There is no vLLM here. Install it." in caplog.text
    assert "Traceback" not in caplog.text


def test_what_nobody_has_foreseen_keeps_its_traceback(caplog: pytest.LogCaptureFixture):
    start(RuntimeError("unforeseen"))
    assert "Traceback" in caplog.text
    assert "RuntimeError: unforeseen" in caplog.text
