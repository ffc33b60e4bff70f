"""This program's own command within a process that it has started, as if it had been typed."""

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
