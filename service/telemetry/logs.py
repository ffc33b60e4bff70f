"""Log records on stderr: for a person at a terminal, as text to be searched, or as JSON."""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from service.settings import ServiceSettings

from .request_record import current_record

TELLTALES = ("sse_starlette", "python_multipart")  # what they say at level debug has content
SAID_BY_TEXT = ("method", "path", "status")  # they are the line itself
CONTENT = ("prompt", "answers")  # which the settings have to ask for


class TerminalFormatter(logging.Formatter):
    """The time here and the message; of a request one short line, without what it is known by."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(message)s", "%H:%M:%S%z")

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = getattr(record, "fields", {})
        said = super().format(record)
        content = [f" {key}={_value(fields[key])}" for key in CONTENT if key in fields]
        return "".join([", ".join([said, *_of_answer(fields)]), *content])


class TextFormatter(logging.Formatter):
    """The message, then what else is known as key=value. Whoever collects the lines times them."""

    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        said = [f"{key}={_value(fields[key])}" for key in fields if key not in SAID_BY_TEXT]
        return " ".join([super().format(record), *said])


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        content = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        return json.dumps(content, ensure_ascii=False, default=str)


def configure_logs(settings: ServiceSettings) -> None:
    """Replace what logging does by what the settings say; uvicorn's records go the same way."""
    handler = logging.StreamHandler(sys.stderr)
    text = TerminalFormatter if sys.stderr.isatty() else TextFormatter
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else text())
    level = settings.log_level.upper()
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in TELLTALES:
        logging.getLogger(name).setLevel(logging.INFO)


def printable(text: str) -> str:
    """A stranger's text on one line: whatever would move the cursor is spelt out."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def _of_answer(fields: Mapping[str, Any]) -> Iterator[str]:
    """Who answered, how much, and how long it took."""
    if who := fields.get("adapters") or fields.get("model"):
        yield printable(str(who))
    if fields.get("prompt_tokens"):
        yield f"{fields['prompt_tokens']} + {fields.get('completion_tokens', 0)} tokens"
    if "total_ms" in fields:
        milliseconds = fields["total_ms"]
        yield f"{milliseconds / 1000:.1f} s" if milliseconds >= 1000 else f"{milliseconds:.0f} ms"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    request = current_record.get()
    fields: dict[str, Any] = dict(getattr(record, "fields", {}))
    return fields if request is None else {**fields, "request_id": request.id}


def _value(value: object) -> str:
    text = printable(str(value))
    return json.dumps(text, ensure_ascii=False) if " " in text or '"' in text else text
