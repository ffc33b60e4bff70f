"""Adapters from elsewhere, as clients meet them: listed where they can answer, else explained."""

import logging
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from data.chat import Tokenizer
from finetune.adapters.card import read_card
from finetune.adapters.files import CONFIG_FILE, WEIGHTS_FILE
from finetune.adapters.fit import Fit
from finetune.bases.base import Base
from service.app import build_app
from service.engines import open_engine
from service.models import Models
from service.settings import ServiceSettings
from serving.adapters.store import AdapterStore
from serving.scripted import ScriptedEngine
from tests.foreign_adapters import REFUSED, SOUND, TO_IMPORT, lora_tensors, pickled, write_adapter
from tests.service.conftest import URL

OTHER_BASE = REFUSED["other base"][0]


@pytest.fixture(scope="module")
def base(make_base: Any) -> Base:
    return Base("smollm2-135m", make_base("llama"))


@pytest.fixture
def client(
    base: Base, tokenizer: Tokenizer, adapters: Path, tmp_path: Path
) -> Generator[TestClient]:
    store = AdapterStore(adapters, base.fingerprint, Fit(base))
    settings = ServiceSettings(lora_folders=(tmp_path,))
    app = build_app(ScriptedEngine(), Models(base.id, tokenizer, store), settings)
    with TestClient(app, base_url=URL, raise_server_exceptions=False) as client:
        yield client


def listed(client: TestClient) -> list[str]:
    return [model["id"] for model in client.get("/v1/models").json()["data"]]


def ask(client: TestClient, model: str) -> Any:
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
    return client.post("/v1/chat/completions", json=body)


def upload(client: TestClient, folder: Path, query: str) -> Any:
    files = [("file", (name, (folder / name).read_bytes())) for name in (CONFIG_FILE, WEIGHTS_FILE)]
    return client.post(f"/v1/adapters?{query}", files=files)


def test_models_lists_what_can_answer_and_nothing_else(client: TestClient, adapters: Path):
    numbered = list(enumerate([*SOUND.values()]))
    for number, write in numbered:
        write(adapters / f"sound-{number}")
    for number, (write, _) in enumerate([*TO_IMPORT.values(), *REFUSED.values()]):
        write(adapters / f"foreign-{number}")
    names = listed(client)
    assert sorted(names) == sorted(["smollm2-135m", *(f"sound-{n}" for n, _ in numbered)])
    assert [ask(client, name).status_code for name in names] == [200] * len(names)


def test_an_older_adapter_is_explained_in_chat_and_once_in_the_log(
    client: TestClient, adapters: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)
    written = write_adapter(tmp_path / "written")
    pickled(written)
    adapters.mkdir(exist_ok=True)
    written.rename(adapters / "old")  # whole: who watches the folder never sees half of it
    for _ in range(3):
        assert listed(client) == ["smollm2-135m"]
        answer = ask(client, "old")
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["code"] == "adapter_refused"
        assert (
            "older PEFT adapter, in adapter_model.bin. `lora-chat adapters import`"
            in (error["message"])
        )
    assert caplog.text.count("The adapter old is not listed: ") == 1


def test_another_base_is_refused_and_the_message_names_both_and_the_option(
    client: TestClient, adapters: Path
):
    OTHER_BASE(adapters / "other")
    answer = ask(client, "other")
    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    for word in ("'meta-llama/Llama-2-7b-chat-hf'", "'smollm2-135m'", "--accept-base"):
        assert word in message


def test_an_upload_for_another_base_is_taken_where_that_is_accepted(
    client: TestClient, adapters: Path, tmp_path: Path
):
    source = OTHER_BASE(tmp_path / "source")
    refused = upload(client, source, "name=it")
    assert refused.status_code == 400
    assert "'meta-llama/Llama-2-7b-chat-hf'" in refused.json()["error"]["message"]
    assert upload(client, source, "name=it&accept_base=perhaps").status_code == 400
    assert upload(client, source, "name=it&accept_base=true").status_code == 201
    assert ask(client, "it").status_code == 200
    card = read_card(adapters / "it" / "1")
    assert card is not None
    assert card.imported is not None
    assert card.imported.named_base == "meta-llama/Llama-2-7b-chat-hf"
    assert client.get("/v1/models/it").json()["trained_on"] is None
    assert client.get("/v1/adapters/it").json()["card"]["base"]["id"] == "smollm2-135m"


def test_a_folder_for_another_base_is_loaded_once_where_that_is_accepted(
    client: TestClient, adapters: Path, tmp_path: Path
):
    source = OTHER_BASE(tmp_path / "source")
    body = {"lora_name": "it", "lora_path": str(source)}
    assert client.post("/v1/load_lora_adapter", json=body).status_code == 400
    for _ in range(2):
        accepted = body | {"accept_base": True, "load_inplace": True}
        assert client.post("/v1/load_lora_adapter", json=accepted).status_code == 200
    assert ask(client, "it").status_code == 200
    assert [path.name for path in adapters.iterdir() if path.name != "it"] == []
    assert not (adapters / "it" / "2").exists()


def test_a_pickle_is_not_taken_over_the_network_and_the_answer_says_what_does(
    client: TestClient, tmp_path: Path
):
    source = pickled(write_adapter(tmp_path / "source"))
    files = {"file": ("adapter_model.bin", b"x")}
    sent = client.post("/v1/adapters?name=it", files=files)
    body = {"lora_name": "it", "lora_path": str(source)}
    for answer in (sent, client.post("/v1/load_lora_adapter", json=body)):
        assert answer.status_code == 400
        assert "`lora-chat adapters import`" in answer.json()["error"]["message"]


def test_one_without_numbers_leaves_the_list_by_itself(
    client: TestClient, adapters: Path, wait_until: Callable[..., None], tmp_path: Path
):
    tensors = lora_tensors()
    tensors[min(tensors)][0, 0] = np.nan
    write_adapter(tmp_path / "written", tensors)
    adapters.mkdir(exist_ok=True)
    (tmp_path / "written").rename(adapters / "broken")
    wait_until(lambda: listed(client) == ["smollm2-135m"])
    assert "no numbers" in ask(client, "broken").json()["error"]["message"]


def test_the_setting_lets_a_server_take_other_names(make_base: Any, tmp_path: Path):
    import shutil

    folder = shutil.copytree(make_base("llama"), tmp_path / "SmolLM2-135M-Instruct")
    OTHER_BASE(tmp_path / "adapters" / "it")
    for accept, names in ((False, []), (True, ["it"])):
        settings = ServiceSettings(
            base=str(folder), home=tmp_path, compile=False, accept_base=accept
        )
        assert [entry.name for entry in open_engine(settings).store.entries()] == names


def test_what_was_trained_elsewhere_is_listed_with_what_it_names(
    adapters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    from rich.console import Console

    from service.commands.inspect import print_adapter, print_adapters

    write_adapter(adapters / "bare")
    pickled(write_adapter(adapters / "old"))
    print_adapters(tmp_path, Console(width=200))
    shown = capsys.readouterr().out
    assert "HuggingFaceTB/SmolLM2-135M-Instruct" in shown
    assert "The adapter old@1 holds no adapter_model.safetensors: it is an older" in shown
    print_adapter("bare", tmp_path, Console(width=200))
    assert "SmolLM2-135M-Instruct, as its configuration says" in capsys.readouterr().out
