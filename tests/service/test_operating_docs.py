"""The pages of docs, and the files that they name, say what there is."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from fastapi.testclient import TestClient

from service.cli import app
from service.settings import ServiceSettings
from serving.engine import Engine
from serving.scripted import ScriptedEngine

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
OPERATING = (DOCS / "operating.md").read_text(encoding="utf-8")
METRIC = re.compile(r"\blora_chat_\w+")
MADE_OF = re.compile(r"_(total|bucket|created)$")


@pytest.mark.parametrize("page", ["operating.md", "installing.md"])
def test_every_command_of_a_page_parses(page: str):
    text = (DOCS / page).read_text(encoding="utf-8")
    lines = [
        shlex.split(line, comments=True)
        for block in re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
        for line in block.splitlines()
    ]
    root: Any = typer.main.get_command(app)
    for program, *arguments in lines:
        assert program == "lora-chat"
        command, context = root, typer.Context(root)
        while hasattr(command, "commands"):
            command = command.commands[arguments.pop(0)]
        assert command.make_context("lora-chat", arguments, parent=context)


def test_every_setting_of_the_operating_page_exists():
    table = OPERATING.split("## Limits")[1].split("## Backup")[0]
    named = set(re.findall(r"`(\w+)`", table)) - {"n"}
    assert len(named) > 8
    assert named <= ServiceSettings.model_fields.keys()


def test_every_file_that_the_pages_name_exists():
    for page in (*DOCS.glob("*.md"), ROOT / "SECURITY.md"):
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), link


def test_the_dashboard_shows_metrics_that_the_server_has(
    open_client: Callable[[Engine], TestClient],
):
    page = open_client(ScriptedEngine(servers=("http://vllm-0:8000",))).get("/metrics").text
    known = {MADE_OF.sub("", name) for name in METRIC.findall(page)}
    dashboard = (DOCS / "operating" / "grafana.json").read_text(encoding="utf-8")
    assert json.loads(dashboard)["panels"]
    shown = METRIC.findall(dashboard) + METRIC.findall(OPERATING)
    assert {MADE_OF.sub("", name) for name in shown} <= known
