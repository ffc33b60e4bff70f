"""Which engine a server's settings mean, and the whole service on the llama.cpp engine."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

import httpx
import psutil
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import ValidationError
from safetensors.numpy import load_file

from finetune.errors import BaseNotFound
from service.engines import open_engine
from service.http.gate import Gate
from service.server import configure
from service.settings import ServiceSettings
from serving.llamacpp.binding import is_installed
from serving.llamacpp.engine import LlamaCppEngine
from serving.torch.engine import TorchEngine
from serving.vllm.pushed import push_name
from tests.gguf_files import write_gguf
from tests.pages import ROOT
from tests.service.conftest import URL
from tests.serving.vllm.fake import FakeVllm, serving

needs_llamacpp = pytest.mark.skipif(not is_installed(), reason="llama-cpp-python is not installed")


@pytest.fixture
def gguf(make_base: Any, tmp_path: Path) -> Path:
    return write_gguf(make_base("llama"), tmp_path / "tiny.gguf")


def settings_of(base: Path, home: Path, **options: Any) -> ServiceSettings:
    return ServiceSettings(base=str(base), home=home, compile=False, **options)


@needs_llamacpp
def test_a_gguf_file_runs_on_llama_cpp_unless_asked_otherwise(gguf: Path, tmp_path: Path):
    for options, kind in (
        ({}, LlamaCppEngine),
        ({"engine": "llamacpp"}, LlamaCppEngine),
        ({"engine": "torch"}, TorchEngine),
        ({"precision": "fp32"}, TorchEngine),
    ):
        served = open_engine(settings_of(gguf, tmp_path, **cast(Any, options)))
        assert isinstance(served.engine, kind)
        assert served.base_id == "tiny"
        assert served.engine.context_length == 512


def test_a_folder_runs_on_torch(make_base: Any, tmp_path: Path):
    served = open_engine(settings_of(make_base("llama"), tmp_path))
    assert isinstance(served.engine, TorchEngine)
    with pytest.raises(BaseNotFound, match="--engine torch"):
        open_engine(settings_of(make_base("llama"), tmp_path, engine="llamacpp"))


def test_llama_cpp_has_no_precision_of_ours():
    with pytest.raises(ValidationError, match="bases quantize"):
        ServiceSettings(engine="llamacpp", precision="int8")


@needs_llamacpp
def test_the_api_answers_from_llama_cpp_with_adapters_that_come_and_go(
    gguf: Path, make_base: Any, make_adapter: Any, tmp_path: Path
):
    folder = make_adapter(make_base("llama"), tmp_path / "style", std=0.3)
    app = cast(FastAPI, configure(settings_of(gguf, tmp_path), Gate(), is_private=True).app)
    body = {"messages": [{"role": "user", "content": "你好"}], "max_tokens": 8, "temperature": 0}

    def ask(client: TestClient, model: str, status: int = 200) -> Any:
        answer = client.post("/v1/chat/completions", json={"model": model, **body})
        assert answer.status_code == status, answer.text
        return answer.json()

    with TestClient(app, base_url=URL) as client:
        base = ask(client, "tiny")["choices"][0]["message"]["content"]
        ask(client, "style", 404)
        files = {
            "config": ("adapter_config.json", (folder / "adapter_config.json").read_bytes()),
            "weights": (
                "adapter_model.safetensors",
                (folder / "adapter_model.safetensors").read_bytes(),
            ),
        }
        taken = client.post("/v1/adapters?name=style", files=files)
        assert taken.status_code in (200, 201), taken.text
        assert len(taken.json()["matched"]) == 14
        own = ask(client, "style")["choices"][0]["message"]["content"]
        blend = ask(client, "style:0.5")["choices"][0]["message"]["content"]
        assert len({base, own, blend}) == 3
        assert ask(client, "tiny")["choices"][0]["message"]["content"] == base
        assert list((tmp_path / "adapters" / "style" / "1").glob("*.gguf")) == []
        bad = json.loads((folder / "adapter_config.json").read_text()) | {"use_dora": True}
        files["config"] = ("adapter_config.json", json.dumps(bad).encode())
        refused = client.post("/v1/adapters?name=bad", files=files)
        assert refused.status_code == 400
        assert client.delete("/v1/models/style").json()["deleted"] is True
        ask(client, "style", 404)


def answer_of(client: TestClient, model: str | None = None) -> Any:
    model = model or client.get("/v1/models").json()["data"][0]["id"]
    asked = [{"role": "user", "content": "Hi"}]
    body = {"model": model, "messages": asked, "max_tokens": 4}
    answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_vllm_servers_compute_where_they_are_named(make_base: Any, tmp_path: Path):
    fakes = FakeVllm(), FakeVllm()
    with serving(fakes[0]) as url, serving(fakes[1]) as other:
        urls = f"{url}/v1, {other}/"
        settings = settings_of(make_base("llama"), tmp_path, engine="vllm", vllm=urls)
        app = cast(FastAPI, configure(settings, Gate()).app)
        with TestClient(app, base_url=URL) as client:
            assert answer_of(client)["usage"]["completion_tokens"] == 4
            assert client.get("/health").json()["engine"] == "vllm"
            listed = client.get("/v1/engines").json()["data"]
            assert [each["url"] for each in listed] == [url, other]
            assert client.get("/ready").status_code == 200
            for fake in fakes:
                fake.breaks = True
            deadline = time.monotonic() + 20
            while client.get("/ready").status_code == 200 and time.monotonic() < deadline:
                time.sleep(0.1)
            away = client.get("/ready")
            assert (away.status_code, "None of the servers" in away.text) == (503, True)
    assert any(body["max_tokens"] == 4 for fake in fakes for body in fake.bodies)


def test_an_uploaded_adapter_is_read_from_where_it_lies_then(
    make_base: Any, make_adapter: Any, tmp_path: Path
):
    base, fake = make_base("llama"), FakeVllm()
    adapter = make_adapter(base, tmp_path / "it")
    with serving(fake) as url:
        settings = settings_of(base, tmp_path, engine="vllm", vllm=url)
        app = cast(FastAPI, configure(settings, Gate()).app)
        with TestClient(app, base_url=URL) as client:
            names = ("adapter_config.json", "adapter_model.safetensors")
            files = [("file", (name, (adapter / name).read_bytes())) for name in names]
            assert client.post("/v1/adapters?name=it", files=files).status_code == 201
            answer_of(client, "it")
            (folder,) = fake.own.values()
            assert folder == tmp_path / "adapters" / "it" / "1"
            fake.restart()
            answer_of(client, "it")


@pytest.mark.parametrize("family", ["gemma3_text", "phi3"])
def test_a_vllm_server_has_families_that_other_engines_lack(
    family: str, make_base: Any, make_adapter: Any, tmp_path: Path
):
    base = make_base(family)
    make_adapter(base, tmp_path / "adapters" / "it" / "1")
    fake = FakeVllm()
    with serving(fake) as url:
        settings = settings_of(base, tmp_path, engine="vllm", vllm=url)
        app = cast(FastAPI, configure(settings, Gate()).app)
        with TestClient(app, base_url=URL) as client:
            assert answer_of(client, "it")["model"] == "it"
            assert answer_of(client)["usage"]["completion_tokens"] == 4
            zeros = fake.folders[push_name(())]
            (name, *_) = load_file(zeros / "adapter_model.safetensors")
            assert name.startswith("base_model.model.model.layers.0.self_attn.")
            assert len(fake.own) == 1


STAND_IN = """#!{python}
import sys

sys.path.insert(0, {root!r})

import uvicorn

from serving.vllm.pushed import push_name
from tests.serving.vllm.fake import FakeVllm

port = int(sys.argv[sys.argv.index("--port") + 1])
fake = FakeVllm()
app = fake.build()


@app.get("/health")
def health():
    return "ok"


uvicorn.run(app, host="127.0.0.1", port=port)
"""


def test_a_stop_does_not_wait_for_a_vllm_that_starts(make_base: Any, tmp_path: Path):
    command, seen = tmp_path / "stand-in", tmp_path / "pid"
    slow = (
        f"#!{sys.executable}\nimport os, time\nopen({str(seen)!r}, 'w').write(str(os.getpid()))\n"
    )
    command.write_text(f"{slow}time.sleep(300)\n")
    command.chmod(0o755)
    options = [
        "--base",
        str(make_base("llama")),
        "--engine",
        "vllm",
        "--vllm-command",
        str(command),
    ]
    server = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "serve", "--port", "0", *options],
        env={**os.environ, "LORA_CHAT_HOME": str(tmp_path / "home")},
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not (seen.exists() and seen.read_text()) and time.monotonic() < deadline:
            time.sleep(0.1)
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) != 0
        assert not psutil.pid_exists(int(seen.read_text()))
    finally:
        server.kill()


def test_a_vllm_of_our_own_computes_and_ends_with_the_server(make_base: Any, tmp_path: Path):
    command = tmp_path / "stand-in"
    command.write_text(STAND_IN.format(python=sys.executable, root=str(ROOT)))
    command.chmod(0o755)
    settings = settings_of(
        make_base("llama"), tmp_path, engine="vllm", vllm_command=str(command), vllm_rank=20
    )
    app = cast(FastAPI, configure(settings, Gate()).app)
    with TestClient(app, base_url=URL) as client:
        assert answer_of(client)["usage"]["completion_tokens"] == 4
        (listed,) = client.get("/v1/engines").json()["data"]
        assert listed["state"] == "ready"
        assert httpx.get(f"{listed['url']}/health", trust_env=False).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{listed['url']}/health", trust_env=False)
    assert "Uvicorn running" in (settings.home / "vllm" / "server.log").read_text()


@pytest.mark.parametrize(
    "options",
    [
        {"engine": "vllm"},
        {"vllm": "http://127.0.0.1:8001"},
        {"vllm_command": "vllm"},
    ],
)
def test_a_vllm_server_and_its_engine_belong_together(options: Any):
    with pytest.raises(ValidationError, match="belong together"):
        ServiceSettings(**options)


def test_servers_are_either_there_or_started_and_each_once():
    with pytest.raises(ValidationError, match="not both"):
        ServiceSettings(engine="vllm", vllm=("http://a:1",), vllm_command="vllm")
    for url in ("http://a:80010", "http://a:b", "http://a:1?b"):
        with pytest.raises(ValidationError, match="vllm"):
            ServiceSettings(engine="vllm", vllm=(url,))
    with pytest.raises(ValidationError, match="http://a:1 is named more than once"):
        ServiceSettings(engine="vllm", vllm=("http://a:1", "http://a:1/v1"))


def test_a_command_by_its_name_alone_is_looked_for_in_the_path():
    named = ServiceSettings(engine="vllm", vllm_command="vllm")
    assert named.vllm_command == "vllm"
    placed = ServiceSettings(engine="vllm", vllm_command="vllm/bin/vllm")
    assert placed.vllm_command == str(Path.cwd() / "vllm" / "bin" / "vllm")
