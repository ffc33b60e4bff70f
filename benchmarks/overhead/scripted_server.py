"""The service on an engine that recites, on one core, until it is told to stop."""

import os
import sys
from pathlib import Path

import uvicorn

from benchmarks.tuning.tiny import byte_tokenizer
from service.app import build_app
from service.http.gate import Gate
from service.models import Models
from service.server import http_config, listen, serve
from service.settings import ServiceSettings
from serving.adapters.store import AdapterStore
from serving.scripted import PIECE, ScriptedEngine

BASE = "scripted"
CONTEXT = 1 << 16  # [tokens]
LISTENING = "http://127.0.0.1:"
TEXT = "The scripted engine recites, and the service streams it: 中医。 "


def main(
    core: int, num_tokens: int, home: Path, delay: float = 0.0, text: Path | None = None
) -> None:
    """Says on stdout where it listens.

    Args:
        core: To stay on; -1: wherever there is room.
        num_tokens: The longest answer.
        delay: [seconds] before each token.
        text: A file to recite instead of the usual line.
    """
    if core >= 0:
        os.sched_setaffinity(0, {core})
    listener = listen("127.0.0.1", 0)
    print(f"{LISTENING}{listener.getsockname()[1]}", flush=True)  # noqa: T201 - its answer
    settings = ServiceSettings(home=home)
    gate = Gate()
    recited = text.read_text(encoding="utf-8") if text else TEXT
    engine = ScriptedEngine(
        default=recited * (num_tokens * PIECE // len(recited) + 1),
        context_length=CONTEXT,
        delay=delay,
    )
    serve(_config(engine, settings, gate), listener, gate, grace=0)


def listening_url(log: Path) -> str | None:
    """What it has said; connections wait until it is ready to take them."""
    said = log.read_text(encoding="utf-8", errors="replace")
    begun = [line for line in said.splitlines(keepends=True) if line.startswith(LISTENING)]
    return begun[0].strip() if begun and begun[0].endswith("\n") else None


def _config(engine: ScriptedEngine, settings: ServiceSettings, gate: Gate) -> uvicorn.Config:
    models = Models(BASE, byte_tokenizer(), AdapterStore(settings.home / "adapters"))
    return http_config(build_app(engine, models, settings, gate), settings)


if __name__ == "__main__":
    core, num_tokens, home, *recited = sys.argv[1:]
    delay, text = recited or ("0", "")
    main(int(core), int(num_tokens), Path(home), float(delay), Path(text) if text else None)
