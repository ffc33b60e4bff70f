"""The command `llm`, which finds servers in a file of its own."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.engine import Engine
from serving.scripted import ScriptedEngine
from tests.clients.conftest import CLIENTS, PATIENCE, Client, GatedEngine

pytestmark = pytest.mark.slow

Serve = Callable[[Engine], str]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def client(tmp_path: Path) -> Client:
    program = CLIENTS / "bin" / "llm"
    if not program.exists():
        pytest.skip("there is no .clients: `make clients` makes it")
    return Client((str(program),), tmp_path)


@pytest.fixture
def configure(client: Client) -> Callable[[str], None]:
    """Tell it of a server's base and of one adapter; JSON is YAML."""

    def write(url: str) -> None:
        models = [
            {
                "model_id": name,
                "model_name": name,
                "api_base": f"{url}/v1",
                "supports_schema": True,
                "supports_tools": True,
            }
            for name in ("base", "中医")
        ]
        (client.home / "extra-openai-models.yaml").write_text(json.dumps(models))

    return write


@pytest.fixture
def run(client: Client, serve: Serve, configure: Callable[[str], None]) -> Run:
    """Ask it with these arguments; returns its exit status, stdout and stderr."""

    def ask(engine: Engine, *arguments: str) -> tuple[int, str, str]:
        configure(serve(engine))
        process = client.start(*arguments)
        out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, out, err

    return ask


@pytest.mark.parametrize("streaming", [[], ["--no-stream"]])
def test_adapter_answers(run: Run, add_adapter: Callable[..., Path], streaming: list[str]):
    add_adapter("中医")
    engine = ScriptedEngine({("中医",): "食可百合莲子粥。"})
    status, out, err = run(engine, "-m", "中医", "-s", "Be short.", *streaming, "我最近失眠")
    assert (status, out.strip()) == (0, "食可百合莲子粥。"), err


def test_real_engine_answers(client: Client, configure: Callable[[str], None], real_server: str):
    configure(real_server)
    process = client.start("-m", "中医", "-o", "max_tokens", "12", "我最近失眠")
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert out.strip()


def test_pieces_come_before_the_answer_is_complete(
    client: Client, serve: Serve, configure: Callable[[str], None]
):
    engine = GatedEngine()
    configure(serve(engine))
    process = client.start("-m", "base", "Hi")
    assert process.stdout is not None
    first = process.stdout.read(3)
    engine.gate.set()
    rest, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert (first + rest).strip() == "Now and later."


def test_schema_is_enforced(run: Run):
    engine = ScriptedEngine(default='{"name": "百合", "dose": 10}')
    status, out, err = run(engine, "-m", "base", "--schema", "name, dose int", "Hi")
    assert status == 0, err
    assert json.loads(out) == {"name": "百合", "dose": 10}
    schema = engine.requests[0].sampling.json_schema
    assert schema is not None
    assert set(json.loads(schema)["properties"]) == {"name", "dose"}


def test_error_is_shown(run: Run):
    status, _, err = run(ScriptedEngine(), "-m", "中医", "Hi")
    assert status == 1
    assert "中医" in err
