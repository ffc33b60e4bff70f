"""Where models have their homes, and conversations their places."""

from typing import Any

import pytest

from serving.vllm.client import VllmClient
from serving.vllm.conversations import BLOCK, Conversations
from serving.vllm.routing import ranked
from serving.vllm.server import VllmServer

KEYS = [f"clinic-{number}" for number in range(300)]


def residents_of(base: str) -> Any:
    pytest.fail("Nobody asks these servers.")


@pytest.fixture
def servers() -> list[VllmServer]:
    return [
        VllmServer(VllmClient(f"http://gpu-{number}:8001"), residents_of) for number in range(4)
    ]


def test_models_are_spread_evenly(servers: list[VllmServer]):
    homes = [ranked(key, servers)[0].url for key in KEYS]
    assert all(45 < homes.count(server.url) < 105 for server in servers)


def test_a_server_that_goes_moves_only_its_own_models(servers: list[VllmServer]):
    for key in KEYS:
        ranking = ranked(key, servers)
        left = ranked(key, servers[:3])
        assert left == [server for server in ranking if server is not servers[3]]


def test_a_prompt_goes_where_its_beginning_was_computed():
    places = Conversations()
    first, other = tuple(range(BLOCK * 3)), tuple(range(100, 100 + BLOCK * 3))
    places.note("tcm@1", first, "a")
    places.note("tcm@1", other, "b")
    assert places.find("tcm@1", (*first, 7, 8)) == "a"
    assert places.find("tcm@1", (*first[: BLOCK * 2], 900, *first)) == "a"
    assert places.find("tcm@1", (*other, *first)) == "b"
    assert places.find("tcm@2", first) is None
    assert places.find("tcm@1", (900, *first)) is None


def test_what_several_have_computed_draws_nobody():
    places = Conversations()
    common, mine, yours = tuple(range(BLOCK)), (1,) * BLOCK, (2,) * BLOCK
    places.note("tcm@1", (*common, *mine), "a")
    places.note("tcm@1", (*common, *yours), "b")
    assert places.find("tcm@1", (*common, *(3,) * BLOCK)) is None
    assert places.find("tcm@1", (*common, *mine, 5)) == "a"


def test_what_was_not_asked_for_longest_is_forgotten():
    places = Conversations(most=4)
    for number in range(5):
        places.note("tcm@1", (number,) * BLOCK, "a")
    assert places.find("tcm@1", (0,) * BLOCK) is None
    assert places.find("tcm@1", (4,) * BLOCK) == "a"
