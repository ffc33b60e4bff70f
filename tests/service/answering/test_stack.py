"""How many generators of ours a token passes on its way from the engine to a client's socket."""

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.app import build_app
from service.models import Models
from service.settings import ServiceSettings
from service.state.database import State
from serving.scripted import ScriptedEngine
from tests.service.conftest import URL

ROOT = Path(__file__).parents[3]
ROOMS = tuple(ROOT / room for room in ("data", "finetune", "serving", "service"))
GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


class Watched(ScriptedEngine):
    """Records at each token which generators of ours wait for it, itself among them."""

    def __init__(self) -> None:
        super().__init__(default="word " * 5)
        self.stacks: list[list[str]] = []

    def _check_step(self, index: int) -> None:
        super()._check_step(index)
        self.stacks.append(list(waiting_generators()))


def waiting_generators() -> Iterator[str]:
    """By name, from the innermost out."""
    frame = inspect.currentframe()
    frame = frame and frame.f_back  # without this one
    while frame is not None:
        code = frame.f_code
        is_ours = any(Path(code.co_filename).is_relative_to(room) for room in ROOMS)
        if is_ours and code.co_flags & GENERATOR:
            yield code.co_qualname
        frame = frame.f_back


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}),
        ("/v1/completions", {"prompt": "Hi"}),
    ],
)
def test_at_most_four_generators_of_ours_stand_between_a_token_and_the_client(
    models_here: Models, own_state: State, path: str, asked: dict[str, object], tmp_path: Path
):
    engine = Watched()
    app = build_app(engine, models_here, ServiceSettings(home=tmp_path), state=own_state)
    with TestClient(app, base_url=URL) as client:
        response = client.post(path, json=asked | {"model": "base", "stream": True})
    assert "data: [DONE]" in response.text
    assert len(engine.stacks) > 5
    assert {stack[0] for stack in engine.stacks} == {"ScriptedEngine.submit"}
    assert max(map(len, engine.stacks)) <= 4, engine.stacks[-1]
