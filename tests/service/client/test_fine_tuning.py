"""A server's fine-tuning API as a command uses it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from service.client.fine_tuning import FineTuningServer
from service.client.server import connected
from service.errors import ServerRefused
from tests.service.fine_tuning_server import DONE, FakeFineTuning, event, step

Serve = Callable[..., str]


def at_once(_seconds: float) -> None:
    """Waits for nothing."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "医案.txt"
    path.write_bytes("患者：问\n医生：答\n".encode("gb18030"))
    return path


def messages(url: str, patience: float = 60) -> list[str]:
    with connected(url, None, FineTuningServer) as server:
        return [told.message for told in server.events("ftjob-1", at_once, patience)]


def test_a_file_is_sent_as_it_is_and_waited_for_until_it_has_been_checked(
    serve_app: Serve, data: Path
):
    fake = FakeFineTuning(file=("uploaded", "uploaded", "processed"))
    with connected(serve_app(fake.build()), None, FineTuningServer) as server:
        assert server.send(data, at_once).id == "file-1"
    assert fake.sent == [("医案.txt", data.read_bytes(), "fine-tune")]


def test_what_is_wrong_with_a_file_is_told_in_the_servers_words(serve_app: Serve, data: Path):
    fake = FakeFineTuning(file=("error",), details="医案.txt:2: no answer")
    with (
        connected(serve_app(fake.build()), None, FineTuningServer) as server,
        pytest.raises(ServerRefused, match=r"^医案.txt:2: no answer$"),
    ):
        server.send(data, at_once)


def test_events_come_once_however_often_the_connection_ends(serve_app: Serve):
    fake = FakeFineTuning(connections=([event(1, "a"), step(2, 9)], 503, [], [event(3, "b"), DONE]))
    assert messages(serve_app(fake.build())) == ["a", "Step 2/9", "b"]
    assert fake.after == [None, "ftevent-2", "ftevent-2", "ftevent-2"]


def test_a_stream_that_is_refused_ends_at_once(serve_app: Serve):
    fake = FakeFineTuning(connections=(404,))
    with pytest.raises(ServerRefused, match="Not now"):
        messages(serve_app(fake.build()))


def test_a_server_that_does_not_stream_is_no_lora_chat(serve_app: Serve):
    fake = FakeFineTuning(connections=(200,))
    with pytest.raises(ServerRefused, match="no lora-chat server"):
        messages(serve_app(fake.build()))


def test_an_id_is_one_part_of_a_path_whatever_it_holds(serve_app: Serve):
    url = serve_app(FakeFineTuning().build())
    with (
        connected(url, None, FineTuningServer) as server,
        pytest.raises(ServerRefused, match=r"^No such job: a\?b$"),
    ):
        server.find("a?b")


def test_a_server_that_stays_away_is_given_up():
    with pytest.raises(ServerRefused, match=r"does not answer.*--server"):
        messages("http://127.0.0.1:9", patience=0)


def test_a_key_is_asked_for_as_in_a_chat(serve_app: Serve):
    url = serve_app(FakeFineTuning(key="lc-secret").build())
    with (
        connected(url, "wrong", FineTuningServer) as server,
        pytest.raises(ServerRefused, match=r"not valid here.*LORA_CHAT_KEY"),
    ):
        server.find("ftjob-1")


def test_the_first_model_without_a_parent_is_the_base(serve_app: Serve):
    with connected(serve_app(FakeFineTuning().build()), None, FineTuningServer) as server:
        assert server.base() == "small"
