"""A server process whose answers take as long as a test wants: home, seconds a token, grace."""

import sys
from pathlib import Path

from service.app import build_app
from service.http.gate import Gate
from service.models import Models
from service.server import http_config, listen, serve
from service.settings import ServiceSettings
from service.telemetry.logs import configure_logs
from serving.adapters.store import AdapterStore
from serving.scripted import ScriptedEngine
from tests.service.conftest import BASE, make_tokenizer


def main(home: str, delay: str, grace: str) -> None:
    settings = ServiceSettings(home=Path(home), grace=float(grace), log_format="json")
    configure_logs(settings)
    engine = ScriptedEngine(default="word " * 60, delay=float(delay))
    models = Models("base", make_tokenizer(), AdapterStore(settings.home / "adapters", BASE))
    gate = Gate()
    config = http_config(build_app(engine, models, settings, gate), settings)
    serve(config, listen("127.0.0.1", 0), gate, settings.grace)


if __name__ == "__main__":
    main(*sys.argv[1:])
