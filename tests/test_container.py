"""The Containerfile: what it names is there, what it runs can be run, and it builds."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from service.cli import app
from tests.container import copied_paths, instructions

ROOT = Path(__file__).parents[1]
DAEMON = Path("/var/run/docker.sock")
BUILDER = (
    shutil.which("podman")
    or shutil.which("buildah")
    or (shutil.which("docker") if DAEMON.exists() else None)
)
KNOWN = {
    *("FROM", "RUN", "WORKDIR", "ARG", "COPY", "USER", "ENV", "VOLUME", "EXPOSE"),
    *("HEALTHCHECK", "STOPSIGNAL", "ENTRYPOINT", "CMD"),
}


def test_what_is_copied_is_there_and_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[1] == "*"
    let_through = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert let_through == set(copied_paths())
    assert all((ROOT / path).exists() for path in let_through)


def test_every_instruction_is_one_and_every_command_is_a_shells():
    found = instructions()
    assert {name for name, _ in found} <= KNOWN
    for name, rest in found:
        if name == "RUN":
            subprocess.run(["sh", "-n", "-c", rest], check=True)


def test_it_serves_as_nobody_in_particular_what_the_command_line_knows():
    told = dict(instructions())
    assert told["USER"] == "lora-chat"
    assert json.loads(told["ENTRYPOINT"]) == ["lora-chat"]
    command, *arguments = json.loads(told["CMD"])
    root: Any = typer.main.get_command(app)
    assert root.commands[command].make_context(command, arguments)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.skipif(BUILDER is None, reason="no podman, buildah or docker here")
def test_an_image_is_built_and_answers():
    assert BUILDER is not None
    pull = subprocess.run([BUILDER, "pull", dict(instructions())["FROM"]], capture_output=True)
    if pull.returncode != 0:
        pytest.skip("the image that it begins with is out of reach")
    subprocess.run(
        [BUILDER, "build", "--file", "Containerfile", "-t", "lora-chat-test", "."],
        check=True,
        cwd=ROOT,
    )
    if not BUILDER.endswith("buildah"):
        said = subprocess.run(
            [BUILDER, "run", "--rm", "lora-chat-test", "doctor"], capture_output=True, text=True
        )
        assert "smollm2-135m" in said.stdout, said.stderr
