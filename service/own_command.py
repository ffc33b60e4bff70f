"""Processes that this program starts of itself: its own commands, its own modules."""

import importlib
import os
import sys
from collections.abc import Mapping, Sequence


def run_command(arguments: Sequence[str], variables: Mapping[str, str] | None = None) -> None:
    """Run a command for `multiprocessing`, whose processes find this program in whatever folder
    they start: `python -m` would take a folder `data` there for ours. Ends by SystemExit where it
    fails."""
    os.environ.update(variables or {})
    sys.argv = ["lora-chat", *arguments]
    importlib.import_module("service.cli").main()  # which imports whoever calls this


def own_environment() -> dict[str, str]:
    """The environment of a `python -m` that imports what this process does, whatever folder it is
    in, and nothing from there."""
    paths = [each for each in sys.path if each and os.path.isabs(each)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}
