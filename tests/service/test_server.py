"""What a server is made of: sockets, certificates, and what uvicorn is told."""

import asyncio
import gc
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.errors import PortUnavailable, StateUnavailable, TlsRefused
from service.http.gate import Gate
from service.server import GracefulServer, check_certificate, configure, http_config, listen
from service.settings import ServiceSettings
from serving.scripted import ScriptedEngine
from tests.service.conftest import URL


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost that it has signed itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    try:
        subprocess.run([*command, "-out", files[0], "-keyout", files[1]], check=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return files


def tls(certificate: Path, key: Path) -> ServiceSettings:
    return ServiceSettings(tls_certificate=certificate, tls_key=key)


def test_a_server_with_a_certificate_speaks_https(
    serve: Callable[..., str], certificate: tuple[Path, Path]
):
    public, key = certificate
    url = serve(ScriptedEngine(), tls_certificate=public, tls_key=key)
    assert url.startswith("https://")
    with httpx.Client(verify=ssl.create_default_context(cafile=public)) as client:
        assert client.get(f"{url}/ready").status_code == 200


def test_a_good_certificate_is_taken(certificate: tuple[Path, Path]):
    check_certificate(tls(*certificate))
    check_certificate(ServiceSettings())


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("content", [None, "", "no PEM"])
def test_a_certificate_or_key_that_cannot_be_used_is_an_error(
    certificate: tuple[Path, Path], tmp_path: Path, which: int, content: str | None
):
    files = list(certificate)
    files[which] = tmp_path / "other.pem"
    if content is not None:
        files[which].write_text(content)
    with pytest.raises(TlsRefused, match=r"other\.pem"):
        check_certificate(tls(*files))


def test_certificate_and_key_in_each_others_place_are_an_error(certificate: tuple[Path, Path]):
    with pytest.raises(TlsRefused):
        check_certificate(tls(certificate[1], certificate[0]))


def test_an_address_that_is_taken_is_an_error():
    with listen("127.0.0.1", 0) as taken, pytest.raises(PortUnavailable, match="--port"):
        listen("127.0.0.1", taken.getsockname()[1])


def test_the_queue_is_as_long_as_the_settings_say(make_base: Any, tmp_path: Path):
    base = make_base("llama")
    settings = ServiceSettings(
        base=str(base), home=tmp_path, compile=False, precision="fp32", max_batch=1, max_waiting=0
    )
    body = {"model": base.name, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
    with TestClient(cast(FastAPI, configure(settings, Gate()).app), base_url=URL) as client:
        answer = client.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200, answer.text
        full = client.post("/v1/chat/completions", json=body | {"n": 2})
    assert (full.status_code, full.json()["error"]["code"]) == (429, "engine_busy")
    assert full.headers["retry-after"]


def test_a_database_that_does_not_answer_is_told_before_a_base_is_looked_for(tmp_path: Path):
    database = "postgresql://me@127.0.0.1:1/name"
    settings = ServiceSettings(home=tmp_path, base="no-such-base", database=database)
    with pytest.raises(StateUnavailable, match="does not answer"):
        configure(settings, Gate())


def test_what_lives_as_long_as_the_server_is_left_alone_by_the_garbage_collector():
    async def started() -> None:
        settings = ServiceSettings(port=0)
        app = FastAPI()
        server = GracefulServer(http_config(app, settings), Gate(), 0)
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        with listen("127.0.0.1", 0) as listener:
            await server.startup([listener])
            try:
                assert gc.get_freeze_count() > 0
                assert not any(each is app for each in gc.get_objects())
            finally:
                await server.shutdown([listener])

    try:
        asyncio.run(started())
    finally:
        gc.unfreeze()


def test_what_is_sent_waits_for_no_acknowledgement():
    """Otherwise each answer on a kept connection comes 40 ms late, its first token too."""

    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken = writer.get_extra_info("socket")
        writer.write(b"%d" % taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async def ask() -> bytes:
        with listen("127.0.0.1", 0) as listener:
            async with await asyncio.start_server(take, sock=listener):
                reader, writer = await asyncio.open_connection(*listener.getsockname())
                said = await reader.read()
                writer.close()
        return said

    assert asyncio.run(ask()) == b"1"
