"""OpenAI clients of other people, each in a process of its own, against a server of ours."""

import asyncio
import json
import os
import shutil
import subprocess
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.server import serving_in_background
from service.settings import ServiceSettings
from serving.engine import Delta, Request
from serving.errors import EngineFailed
from serving.scripted import ScriptedEngine
from tests.service.conftest import (
    adapters,
    add_adapter,
    build,
    models_here,
    serve,
    serve_app,
    tokenizer,
)

__all__ = ["adapters", "add_adapter", "build", "models_here", "serve", "serve_app", "tokenizer"]

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / ".clients"
SCRIPTS = Path(__file__).parent / "scripts"
TOOLS = (
    "{% if tools %}<|im_start|>system\nTools: {{ tools | tojson }}. Call one like\n<tool_call>\n"
    '{"name": "x", "arguments": {}}\n</tool_call><|im_end|>\n{% endif %}'
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content or '' }}"
    "{% for call in message.tool_calls or [] %}<tool_call>\n{{ call.function | tojson }}\n"
    "</tool_call>{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CALL = '<tool_call>\n{"name": "NAME", "arguments": {"city": "北京"}}\n</tool_call>'
PATIENCE = 120  # [seconds] that a client may take on a busy machine
GATE_PATIENCE = 30  # [seconds] until a first piece must have been read

MakeBase = Callable[..., Path]
MakeAdapter = Callable[..., Path]


@dataclass(frozen=True, slots=True)
class Client:
    """A program that takes a server's URL and the name of what it is to do, and prints JSON."""

    command: tuple[str, ...]
    home: Path

    def run(
        self, url: str, scenario: str, *, key: str = "none-needed", patience: float = PATIENCE
    ) -> Any:
        process = self.start(f"{url}/v1", scenario, key=key)
        out, err = process.communicate(timeout=patience)
        assert process.returncode == 0, err
        return json.loads(out)

    def start(self, *arguments: str, key: str = "none-needed") -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.command, *arguments],
            env=self.environment | {"CLIENT_KEY": key},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the user's: neither keys nor proxies."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LLM_USER_PATH": str(self.home),
            "PYTHONUTF8": "1",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # litellm fetches its price list otherwise
            "NODE_PATH": str(CLIENTS / "node" / "node_modules"),
        }


class GatedEngine(ScriptedEngine):
    """Answers one piece, and the rest only when it is told to."""

    def __init__(self) -> None:
        super().__init__(default="Now and later.")
        self.gate = threading.Event()

    async def submit(self, request: Request) -> AsyncGenerator[Delta]:
        async with aclosing(super().submit(request)) as deltas:
            async for delta in deltas:
                yield delta
                if not await asyncio.to_thread(self.gate.wait, GATE_PATIENCE):
                    raise EngineFailed("Nobody has read the first piece.")


@pytest.fixture
def python_client(tmp_path: Path) -> Callable[[str], Client]:
    """The client that a script of that name uses."""
    interpreter = CLIENTS / "bin" / "python"
    if not interpreter.exists():
        pytest.skip("there is no .clients: `make clients` makes it")
    return lambda name: Client((str(interpreter), str(SCRIPTS / f"{name}.py")), tmp_path)


@pytest.fixture
def node_script(tmp_path: Path) -> Callable[[str], Client]:
    """The client that a script of that name for Node uses."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node")
    if not (CLIENTS / "node" / "node_modules" / "openai").exists():
        pytest.skip("there is no OpenAI client for Node in .clients: `make clients` installs it")
    return lambda name: Client((node, str(SCRIPTS / f"{name}.cjs")), tmp_path)


@pytest.fixture
def node_client(node_script: Callable[[str], Client]) -> Client:
    return node_script("openai_node")


@pytest.fixture
def serve_caller(
    serve: Callable[..., str], add_adapter: Callable[..., Path]
) -> Callable[[str, str], str]:
    """Serve an adapter that knows tools and calls the named one; after this text. The URL."""

    def start(name: str, text: str = "") -> str:
        add_adapter("中医", template=TOOLS)
        return serve(ScriptedEngine({("中医",): text + CALL.replace("NAME", name)}))

    return start


@pytest.fixture
def assert_streams(serve: Callable[..., str]) -> Callable[[Client], None]:
    """A client's scenario `pieces` writes text as it comes: the first before the last is there."""

    def check(client: Client) -> None:
        engine = GatedEngine()
        process = client.start(f"{serve(engine)}/v1", "pieces")
        assert process.stdout is not None
        first = process.stdout.read(3)
        engine.gate.set()
        rest, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        assert first + rest == "Now and later."

    return check


@pytest.fixture(scope="session")
def real_server(
    tmp_path_factory: pytest.TempPathFactory, make_base: MakeBase, make_adapter: MakeAdapter
) -> Generator[str]:
    """The real engine on a tiny random base, with one adapter; yields the URL."""
    home = tmp_path_factory.mktemp("home")
    base = make_base("llama")
    make_adapter(base, home / "adapters" / "中医")
    settings = ServiceSettings(base=str(base), home=home, compile=False)
    with serving_in_background(settings) as url:
        yield url
