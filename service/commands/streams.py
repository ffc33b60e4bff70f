"""Standard streams that take any text: what an encoding lacks is written in plain characters."""

import codecs
import io
import json
import logging
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

# Signs that say something, and what stands for them where a terminal does not have them.
PLAIN = dict(zip("•·–—−‘’“”«»×≈✗\u00a0", '*----\'\'""""x~x ', strict=True)) | {
    "…": "...",
    "→": "->",
    "←": "<-",
    "√": "sqrt ",
    "≤": "<=",
    "≥": ">=",
    "±": "+/-",
    "✓": "ok",
}
HORIZONTAL = "─━┄┅┈┉╌╍═╴╶╸╺╼╾"
VERTICAL = "│┃┆┇┊┋╎╏║╵╷╹╻╽╿"
LINES, BLOCKS, DOTS = range(0x2500, 0x2580), range(0x2580, 0x25A0), range(0x2800, 0x2900)
ERRORS = "lora_chat_plain"
ASCII = "lora_chat_ascii"


def open_streams() -> None:
    """Let no text that is written end a command; called once, where the command line begins.

    Whatever a terminal sends is read, too.
    """
    codecs.register_error(ERRORS, _replace)
    codecs.register(_find_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # typer takes a stream that is called ASCII for a mistake, and writes UTF-8 into it.
            stream.reconfigure(encoding=ASCII if _is_ascii(stream) else None, errors=ERRORS)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8" if _is_ascii(sys.stdin) else None, errors="replace")


def say(text: str, *, err: bool = False) -> None:
    """A paragraph: broken between words at a terminal, one line elsewhere."""
    console = Console(stderr=err)
    console.print(Text(text), soft_wrap=not console.is_terminal)


def json_text(value: object, indent: int = 1) -> str:
    """JSON for standard output: characters that this lacks are escaped as JSON does, never
    replaced."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return text


class StderrHandler(logging.Handler):
    """Writes to what standard error is at that moment: a bar on the terminal stays below."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()
        except (OSError, ValueError):  # nobody reads any more
            self.handleError(record)


def plain(character: str) -> str | None:
    """What stands for a sign, in ASCII; None for what has to be spelt out."""
    if character in PLAIN:
        return PLAIN[character]
    if character in HORIZONTAL:
        return "-"
    if character in VERTICAL:
        return "|"
    place = ord(character)
    return "+" if place in LINES else "#" if place in BLOCKS else "*" if place in DOTS else None


def _replace(error: UnicodeError) -> tuple[str, int]:
    """A handler of `codecs`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    written = [_spelt(character) for character in error.object[error.start : error.end]]
    return "".join(written), error.end


def _spelt(character: str) -> str:
    sign = plain(character)
    return character.encode("ascii", "backslashreplace").decode() if sign is None else sign


def _is_ascii(stream: io.TextIOWrapper) -> bool:
    return codecs.lookup(stream.encoding).name == "ascii"


def _find_ascii(name: str) -> codecs.CodecInfo | None:
    """ASCII under another name."""
    if name != ASCII:
        return None
    known: Any = codecs.lookup("ascii")
    return codecs.CodecInfo(
        name=ASCII,
        encode=known.encode,
        decode=known.decode,
        incrementalencoder=known.incrementalencoder,
        incrementaldecoder=known.incrementaldecoder,
        streamreader=known.streamreader,
        streamwriter=known.streamwriter,
    )
