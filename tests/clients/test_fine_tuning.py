"""OpenAI's own clients fine-tune on a server of ours, with nothing changed but URL and key."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from service.jobs.work.results import COLUMNS
from tests.clients.conftest import Client
from tests.pages import ROOT, blocks
from tests.service.test_serve_process import Served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BASE = "tiny-llama"
PATIENCE = 400  # [seconds] for four processes that load a base each, on a busy machine
LINE = (
    '{{"messages": [{{"role": "user", "content": "问题{number}？"}}, '
    '{{"role": "assistant", "content": "回答{number}。"}}]}}\n'
)
MOST_SECONDS = 1.0  # to the first token, once a job is seen to have succeeded


@pytest.fixture
def server(make_base: Callable[..., Path], tmp_path: Path) -> Generator[Served]:
    served = Served(make_base("llama"), tmp_path / "home")
    yield served
    assert served.stop()[0] == 0


@pytest.fixture(params=["fine_tuning_python", "fine_tuning_async", "fine_tuning_node"])
def client(request: pytest.FixtureRequest) -> Client:
    kind = "node_script" if request.param == "fine_tuning_node" else "python_client"
    return request.getfixturevalue(kind)(request.param)


def test_openais_clients_train_and_ask_what_they_have_trained(client: Client, server: Served):
    told: dict[str, Any] = client.run(server.url, BASE, patience=PATIENCE)
    assert told["file"] == "processed"
    assert told["job"] == ["validating_files", "succeeded", "clinic@1"]
    steps, said = told["events"]
    assert steps == list(range(1, len(steps) + 1))
    assert said[0].startswith("Created fine-tuning job: ftjob-")
    assert said[-1] == "The job has successfully completed"
    assert told["first_token"] <= MOST_SECONDS
    result, by_alias = told["answers"]
    assert result == by_alias
    assert result
    assert told["table"] == [list(COLUMNS), len(steps)]
    assert told["cancelled"] == ["running", "cancelled", "cancelled"]
    statuses, all_steps = told["paused"]
    assert statuses == ["paused", "queued", "succeeded"]
    assert all_steps == list(range(1, len(all_steps) + 1))
    status, answer, step = told["checkpoint"]
    assert status == "running"
    assert answer
    assert step in steps


def test_the_script_of_the_page_for_those_who_come_from_openai_runs(
    python_client: Callable[[str], Client], server: Served, tmp_path: Path
):
    data = tmp_path / "clinic.jsonl"
    data.write_text("".join(LINE.format(number=number) for number in range(12)), encoding="utf-8")
    page = (ROOT / "docs" / "from-openai.md").read_text(encoding="utf-8")
    (script,) = blocks("python", page)
    here = {"http://127.0.0.1:8000": server.url, "smollm2-135m": BASE, data.name: str(data)}
    for there, instead in here.items():
        script = script.replace(there, instead)
    path = tmp_path / "script.py"
    path.write_text(script, encoding="utf-8")
    interpreter = python_client("any").command[0]
    process = Client((interpreter, str(path)), tmp_path).start()
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert "The job has successfully completed" in out.splitlines()
    assert out.splitlines()[-1] == ",".join(COLUMNS)
