"""Which engine a server's settings mean, and the whole service on the llama.cpp engine."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import ValidationError

from finetune.errors import BaseNotFound
from service.engines import open_engine
from service.http.gate import Gate
from service.server import configure
from service.settings import ServiceSettings
from serving.llamacpp.binding import is_installed
from serving.llamacpp.engine import LlamaCppEngine
from serving.torch.engine import TorchEngine
from tests.gguf_files import write_gguf
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


def test_a_vllm_server_computes_where_it_is_named(make_base: Any, tmp_path: Path):
    fake = FakeVllm()
    with serving(fake) as url:
        settings = settings_of(make_base("llama"), tmp_path, engine="vllm", vllm=url)
        app = cast(FastAPI, configure(settings, Gate()).app)
        with TestClient(app, base_url=URL) as client:
            base = client.get("/v1/models").json()["data"][0]["id"]
            asked = [{"role": "user", "content": "Hi"}]
            body = {"model": base, "messages": asked, "max_tokens": 4}
            answer = client.post("/v1/chat/completions", json=body)
            assert answer.status_code == 200, answer.text
            assert answer.json()["usage"]["completion_tokens"] == 4
            assert client.get("/health").json()["engine"] == "vllm"
    assert fake.bodies[-1]["max_tokens"] == 4


@pytest.mark.parametrize("options", [{"engine": "vllm"}, {"vllm": "http://127.0.0.1:8001"}])
def test_a_vllm_server_and_its_engine_belong_together(options: Any):
    with pytest.raises(ValidationError, match="belong together"):
        ServiceSettings(**options)
