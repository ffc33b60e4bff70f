import io
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator

import httpx
import pytest

from service.settings import ServiceSettings
from service.telemetry.logs import (
    JsonFormatter,
    TerminalFormatter,
    TextFormatter,
    configure_logs,
    printable,
)
from service.telemetry.request_record import RequestRecord, current_record
from serving.scripted import ScriptedEngine


@pytest.fixture
def request_id() -> Iterator[str]:
    token = current_record.set(RequestRecord("abc"))
    yield "abc"
    current_record.reset(token)


@pytest.fixture
def restored() -> Iterator[None]:
    """Logging as it was before, after the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def record_of(message: str, **extra: object) -> logging.LogRecord:
    return logging.getLogger("x").makeRecord(
        "x", logging.INFO, "x.py", 1, message, (), None, extra=extra
    )


def test_text_is_the_message_alone_outside_requests():
    assert TextFormatter().format(record_of("Ready: here")) == "Ready: here"


def test_text_tells_what_the_message_does_not_say(request_id: str):
    fields = {"method": "GET", "path": "/x", "status": 200, "model": "中医", "key": "front desk"}
    line = TextFormatter().format(record_of("GET /x 200", fields=fields))
    assert line == f'GET /x 200 model=中医 key="front desk" request_id={request_id}'


@pytest.mark.usefixtures("request_id")
def test_at_a_terminal_a_request_is_one_short_line_with_the_time_here():
    fields = {
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "model": "tcm",
        "adapters": "tcm@1",
        "prompt_tokens": 43,
        "completion_tokens": 64,
        "first_token_ms": 310.2,
        "total_ms": 2140.0,
        "finish": "stop",
        "key": "anna",
    }
    record = record_of("POST /v1/chat/completions 200", fields=fields)
    line = TerminalFormatter().format(record)
    stamp, said = line.split(" ", 1)
    assert said == "POST /v1/chat/completions 200, tcm@1, 43 + 64 tokens, 2.1 s"
    assert re.fullmatch(r"\d\d:\d\d:\d\d[+-]\d{4}", stamp)
    assert len(line) < 80


def test_at_a_terminal_a_request_without_a_model_says_how_long_it_took():
    record = record_of("GET /v1/models 200", fields={"status": 200, "total_ms": 12.0})
    assert TerminalFormatter().format(record).endswith(" GET /v1/models 200, 12 ms")


def test_at_a_terminal_prompts_and_answers_are_shown_where_that_is_wanted():
    fields = {"total_ms": 1000.0, "prompt": "Hi you", "answers": ["no"]}
    line = TerminalFormatter().format(record_of("POST /x 200", fields=fields))
    assert line.endswith(" POST /x 200, 1.0 s prompt=\"Hi you\" answers=['no']")


@pytest.mark.usefixtures("restored")
def test_whether_a_terminal_reads_decides_how_lines_look(monkeypatch: pytest.MonkeyPatch):
    lines: list[str] = []
    for is_terminal in (True, False):
        written = io.StringIO()
        monkeypatch.setattr(written, "isatty", lambda is_terminal=is_terminal: is_terminal)
        monkeypatch.setattr(sys, "stderr", written)
        configure_logs(ServiceSettings())
        fields = {"model": "tcm", "total_ms": 12.0}
        logging.getLogger("service.x").info("GET /x 200", extra={"fields": fields})
        lines.append(written.getvalue().rstrip())
    assert lines[0].endswith(" GET /x 200, tcm, 12 ms")
    assert lines[1] == "GET /x 200 model=tcm total_ms=12.0"


def test_json_is_an_object_a_line_whatever_is_in_it(request_id: str):
    line = JsonFormatter().format(record_of('two\nlines "and" 中医', fields={"status": 200}))
    assert "\n" not in line
    told = json.loads(line)
    assert told.pop("time").endswith("+00:00")
    assert told == {
        "level": "info",
        "logger": "x",
        "message": 'two\nlines "and" 中医',
        "status": 200,
        "request_id": request_id,
    }


def test_json_has_the_traceback_in_it():
    record = record_of("failed")
    try:
        raise ValueError("why")
    except ValueError:
        record.exc_info = sys.exc_info()
    assert "ValueError: why" in json.loads(JsonFormatter().format(record))["exception"]


@pytest.mark.parametrize("text", ["/v1/models/中医", "/a b"])
def test_readable_text_is_logged_as_it_is(text: str):
    assert printable(text) == text


@pytest.mark.parametrize("text", ["/a\nGET /b 200", "/\x1b[2J", "/\u202e", "/\r", "/\u2028"])
def test_text_that_would_move_the_cursor_is_spelt_out(text: str):
    shown = printable(text)
    assert shown.isprintable()
    assert shown != text


@pytest.mark.usefixtures("restored")
def test_all_loggers_follow_the_settings(capsys: pytest.CaptureFixture[str]):
    configure_logs(ServiceSettings(log_format="json", log_level="warning"))
    logging.getLogger("uvicorn.error").warning("from uvicorn")
    logging.getLogger("service.x").info("too quiet")
    out, err = capsys.readouterr()
    assert out == ""
    assert [json.loads(line)["message"] for line in err.splitlines()] == ["from uvicorn"]


@pytest.mark.usefixtures("restored")
def test_not_even_at_level_debug_is_an_answer_logged(
    serve: Callable[..., str], capsys: pytest.CaptureFixture[str]
):
    url = serve(ScriptedEngine(default="xyzzyx"))
    configure_logs(ServiceSettings(log_level="debug"))
    body = {"model": "base", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    assert "xyz" in httpx.post(f"{url}/v1/chat/completions", json=body).text
    logging.getLogger("service.x").debug("it is level debug")
    logged = capsys.readouterr().err
    assert "it is level debug" in logged
    assert "xyz" not in logged
