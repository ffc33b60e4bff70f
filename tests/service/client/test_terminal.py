import os
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from service.client.terminal import chat
from service.errors import ServerRefused
from serving.engine import Engine
from serving.errors import EngineFailed
from serving.scripted import ScriptedEngine

ROOT = Path(__file__).parents[3]
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
    lines: Iterable[str | BaseException | type[BaseException]],
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
    for command in ("/model ", "/models", "/system", "/retry", "/save", "/clear", "/quit"):
        assert command in err
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
    typed = ["one", "/model tcm:0.5", "two", "/model", "/models"]
    out, err = talk(serve(engine), typed, model="base")
    assert out == "Who knows.\nGinger.\n"
    assert "one" in prompt_of(engine.requests[1])
    assert "tcm:0.5> " in err


def test_unknown_model_is_named_with_the_nearest_and_the_old_one_stays(
    serve: Serve, add_adapter: Callable[..., Path]
):
    add_adapter("tcm-consultation")
    typed = ["/model tcm-consultaton", "Hi"]
    out, err = talk(serve(ScriptedEngine()), typed, model="base")
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


def test_the_only_adapter_is_talked_to_where_none_is_named(
    serve: Serve, add_adapter: Callable[..., Path]
):
    add_adapter("tcm", disclaimer="仅供参考。")
    engine = ScriptedEngine({("tcm",): "Ginger."})
    out, err = talk(serve(engine), ["Hi"])
    assert out == "Ginger.\n"
    assert err.index("Talking to tcm.") < err.index("仅供参考。") < err.index("tcm> ")


def test_several_adapters_are_listed_where_none_is_named(
    serve: Serve, add_adapter: Callable[..., Path]
):
    for name in ("tcm", "bike"):
        add_adapter(name)
    url = serve(ScriptedEngine())
    out, err = talk(url, ["Hi"])
    assert out == "I am the base model.\n"
    assert "Adapters here: bike, tcm. /model NAME" in err
    assert "Adapters here" not in talk(url, [], model="tcm")[1]


def test_a_disclaimer_is_shown_with_its_adapter(serve: Serve, add_adapter: Callable[..., Path]):
    add_adapter("tcm", disclaimer="仅供[参考]。")
    add_adapter("bike")
    out, err = talk(serve(ScriptedEngine()), ["/model tcm", "Hi", "/model bike"], model="base")
    assert err.count("仅供[参考]。") == 1
    assert "仅供" not in out


def test_the_last_question_is_asked_again_also_of_another_model(
    serve: Serve, add_adapter: Callable[..., Path], prompt_of: Callable[..., str]
):
    add_adapter("tcm")
    engine = ScriptedEngine({("tcm",): "Ginger."}, default="Who knows.")
    typed = ["/retry", "one", "/model tcm", "/retry", "two"]
    out, err = talk(serve(engine), typed, model="base")
    assert "Nothing has been asked yet." in err
    assert out == "Who knows.\nGinger.\nGinger.\n"
    first, again, last = (prompt_of(request) for request in engine.requests)
    assert again == first
    assert "Ginger." in last
    assert "Who knows." not in last


def test_an_empty_answer_is_said_and_forgotten(serve: Serve, prompt_of: Callable[..., str]):
    engine = ScriptedEngine(default="")
    out, err = talk(serve(engine), ["one", "two"])
    assert out == ""
    assert "The answer is empty. /retry" in err
    assert "one" not in prompt_of(engine.requests[1])


def test_the_conversation_is_saved(serve: Serve, tmp_path: Path):
    path = tmp_path / "my chat.txt"
    _, err = talk(serve(ScriptedEngine()), [f"/save {path}", "Hi", "/save", f"/save {path}"])
    assert path.read_text() == "User: Hi\nAssistant: I am the base model.\n"
    assert err.count("once there is an answer") == 2
    assert f"The conversation is in {path}." in err


def test_what_cannot_be_saved_is_said(serve: Serve, tmp_path: Path):
    (tmp_path / "theirs.txt").write_text("theirs")
    typed = ["Hi", f"/save {tmp_path / 'none' / 'x.txt'}", f"/save {tmp_path / 'theirs.txt'}"]
    _, err = talk(serve(ScriptedEngine()), typed)
    assert f"Not saved in {tmp_path / 'none' / 'x.txt'}: No such file" in err
    assert "is there already. Name another file." in err
    assert (tmp_path / "theirs.txt").read_text() == "theirs"


@pytest.mark.parametrize("line", ["\udce4", UnicodeDecodeError("utf-8", b"\xe4", 0, 1, "cut")])
def test_a_line_that_is_no_text_is_not_sent(serve: Serve, line: Any):
    engine = ScriptedEngine()
    out, err = talk(serve(engine), [line, "Hi"])
    assert "is not text" in err
    assert out == "I am the base model.\n"
    assert len(engine.requests) == 1


def test_no_proxy_stands_between_programs_of_one_machine(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert talk(serve(ScriptedEngine()), ["Hi"])[0] == "I am the base model.\n"


def test_chinese_is_typed_and_corrected_as_it_is_read(
    serve: Serve, wait_until: Callable[..., None], prompt_of: Callable[..., str]
):
    engine = ScriptedEngine(default="早睡。")
    code = f"from service.client.terminal import chat; chat({serve(engine)!r})"
    with terminal_running(code) as (process, keyboard, screen):
        wait_until(lambda: is_asked(screen, answers=0), 30)
        os.write(keyboard, "我失棉\x7f眠？\r".encode())
        wait_until(lambda: is_asked(screen, answers=1), 30)
        os.write(keyboard, b"\x1b[A\x7f\x7f\r")  # the line before, without its last two
        wait_until(lambda: is_asked(screen, answers=2), 30)
        os.write(keyboard, b"/quit\r")
        assert process.wait(30) == 0
    first, second = (prompt_of(request) for request in engine.requests)
    assert "我失眠？<|im_end|>" in first
    assert "我失<|im_end|>" in second


@contextmanager
def terminal_running(code: str) -> Generator[tuple[subprocess.Popen[bytes], int, bytearray]]:
    """A process in a terminal, where keys are written to, and what the terminal has shown."""
    pty = pytest.importorskip("pty")
    keyboard, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"LC_ALL": "C.UTF-8", "TERM": "xterm"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    screen = bytearray()
    reader = threading.Thread(target=read_all, args=(keyboard, screen))
    reader.start()
    try:
        yield process, keyboard, screen
    finally:
        process.kill()
        process.wait()
        reader.join(10)
        os.close(keyboard)


def is_asked(screen: bytearray, answers: int) -> bool:
    """Whether the prompt stands behind so many answers."""
    parts = screen.split("早睡。".encode())
    return len(parts) > answers and b"base> " in parts[answers]


def read_all(descriptor: int, screen: bytearray) -> None:
    """Until the other side is closed, which Linux tells as an error."""
    with suppress(OSError):
        while received := os.read(descriptor, 4096):
            screen += received
