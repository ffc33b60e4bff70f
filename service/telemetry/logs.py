"""Log records as text or JSON, on stderr, each with the request that it belongs to."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from service.settings import ServiceSettings

from .request_record import current_record

TELLTALES = ("sse_starlette", "python_multipart")  # what they say at level debug has content
SAID_BY_TEXT = ("method", "path", "status")  # they are the line itself


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
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
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


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    request = current_record.get()
    fields: dict[str, Any] = dict(getattr(record, "fields", {}))
    return fields if request is None else {**fields, "request_id": request.id}


def _value(value: object) -> str:
    text = printable(str(value))
    return json.dumps(text, ensure_ascii=False) if " " in text or '"' in text else text
