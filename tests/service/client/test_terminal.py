from collections.abc import Callable, Iterable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from service.client.terminal import chat
from service.errors import ServerRefused
from serving.engine import Engine
from serving.errors import EngineFailed
from serving.scripted import ScriptedEngine

Serve = Callable[[Engine], str]


class InterruptedScreen(StringIO):
    """Ctrl-C comes once, while this text is being written."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def write(self, text: str, /) -> int:
        if self._text and self._text in self.getvalue() + text:
            self._text = ""
            raise KeyboardInterrupt
        return super().write(text)


def talk(
    url: str,
    lines: Iterable[str | type[BaseException]],
    model: str | None = None,
    screen: StringIO | None = None,
) -> tuple[str, str]:
    """Type the lines, then Ctrl-D; returns what stdout and stderr got."""
    typed = iter(lines)

    def ask(prompt: str) -> str:
        line = next(typed, EOFError)
        if isinstance(line, str):
            return line
        raise line

    out, err = screen or StringIO(), StringIO()
    chat(url, model, ask, Console(file=out), Console(file=err))
    return out.getvalue(), err.getvalue()


def test_answers_alone_go_to_stdout(serve: Serve):
    out, err = talk(serve(ScriptedEngine(default="[b]Hello![/b]")), ["Hi", "", "/help"])
    assert out == "[b]Hello![/b]\n"
    assert "/models" in err
    assert "base> " in err


def test_history_is_kept_and_cleared(serve: Serve, prompt_of: Callable[..., str]):
    engine = ScriptedEngine(default="Hello!")
    talk(serve(engine), ["one", "two", "/clear", "three"])
    first, second, third = (prompt_of(request) for request in engine.requests)
    assert "one" in first
    assert "one" in second
    assert "Hello!" in second
    assert "one" not in third


def test_system_prompt_is_sent_until_it_is_taken_back(serve: Serve, prompt_of: Callable[..., str]):
    engine = ScriptedEngine()
    talk(serve(engine), ["/system Be kind.", "Hi", "/system", "Hi"])
    assert ["Be kind." in prompt_of(request) for request in engine.requests] == [True, False]


def test_model_is_switched_in_the_middle_of_a_conversation(
    serve: Serve, add_adapter: Callable[..., Path], prompt_of: Callable[..., str]
):
    add_adapter("tcm")
    engine = ScriptedEngine({("tcm",): "Ginger."}, default="Who knows.")
    out, err = talk(serve(engine), ["one", "/model tcm:0.5", "two", "/model", "/models"])
    assert out == "Who knows.\nGinger.\n"
    assert "one" in prompt_of(engine.requests[1])
    assert "tcm:0.5> " in err


def test_unknown_model_is_named_with_the_nearest_and_the_old_one_stays(
    serve: Serve, add_adapter: Callable[..., Path]
):
    add_adapter("tcm-consultation")
    out, err = talk(serve(ScriptedEngine()), ["/model tcm-consultaton", "Hi"])
    assert "Did you mean 'tcm-consultation'?" in err
    assert out == "I am the base model.\n"


def test_unknown_model_at_the_start_is_an_error(serve: Serve):
    with pytest.raises(ServerRefused, match=r"no model 'nobody'\. There are: base\."):
        talk(serve(ScriptedEngine()), [], model="nobody")


def test_no_server_is_an_error():
    with pytest.raises(ServerRefused, match="does not answer"):
        talk("http://127.0.0.1:1", [])


def test_servers_error_is_one_line_and_the_question_is_forgotten(
    serve: Serve, prompt_of: Callable[..., str]
):
    engine = ScriptedEngine(failure=EngineFailed("A step\nfailed."))
    out, err = talk(serve(engine), ["one", "two"])
    assert out == ""
    assert err.count("A step failed.\n") == 2
    assert "one" not in prompt_of(engine.requests[1])


def test_error_in_the_middle_of_an_answer_keeps_what_came(serve: Serve):
    engine = ScriptedEngine(failure=EngineFailed("A step failed."), fail_at=1)
    out, err = talk(serve(engine), ["one"])
    assert out == "I a\n"
    assert "A step failed." in err


def test_ctrl_c_stops_the_answer_alone(serve: Serve, wait_until: Callable[..., None]):
    engine = ScriptedEngine({}, default="stop " * 20, delay=0.01)
    out, err = talk(serve(engine), ["one", "two"], screen=InterruptedScreen("stop st"))
    assert out.startswith("stop s")
    assert out.count("stop") > 20
    assert "(stopped)" in err
    wait_until(lambda: engine.cancelled == engine.requests[:1])


def test_ctrl_c_at_the_prompt_says_how_to_leave(serve: Serve):
    out, err = talk(serve(ScriptedEngine()), [KeyboardInterrupt, "/quit", "never asked"])
    assert "/quit or Ctrl-D leaves" in err
    assert out == ""


def test_unknown_command_is_not_sent_to_the_model(serve: Serve):
    engine = ScriptedEngine()
    _, err = talk(serve(engine), ["/modle tcm"])
    assert "no command /modle" in err
    assert engine.requests == []
