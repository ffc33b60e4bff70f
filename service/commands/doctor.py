"""`lora-chat doctor`: what this machine has and what that means for training and serving."""

import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from data.wording import _
from finetune.adapters.versions import list_names
from finetune.bases.base import SHORT_NAMES
from finetune.hardware import (
    GIB,
    Machine,
    compute_precision,
    describe_machine,
    pick_device,
)
from service.commands.views.recommendation import in_int4, summary
from service.inspection.machine import free_bytes, versions_here
from service.recommendation import TYPICAL, look_around, recommend
from serving.llamacpp.binding import install_command, is_installed
from serving.torch.native.kept import can_be_had
from serving.torch.native.kernels import kernels_here
from serving.torch.native.toolchain import find_compiler


def examine(home: Path, console: Console) -> None:
    """Print the findings as a table, then what follows from them."""
    machine = describe_machine()
    table = Table("", "", show_header=False, box=None, padding=(0, 2))
    table.columns[0].style = "bold"
    table.columns[1].overflow = "fold"
    for label, finding in _findings(machine, home):
        table.add_row(label, Text(finding))
    console.print(table)
    console.print()
    for sentence in _meaning(machine):
        console.print(sentence, highlight=False, markup=False)


def _findings(machine: Machine, home: Path) -> Iterator[tuple[str, str]]:
    versions = versions_here()
    yield "lora-chat", versions.pop("lora-chat") or ""
    yield "python", f"{versions.pop('python')}, {platform.system()} {platform.machine()}"
    yield "cpu", _("{cpu}, {count} cores").format(cpu=machine.cpu, count=machine.num_cores)
    yield _("features"), ", ".join(machine.features) or _("none that matter")
    yield _("memory"), f"{machine.memory_bytes / GIB:.0f} GiB"
    gpu = f"{machine.gpu}, {machine.gpu_memory_bytes / GIB:.0f} GiB" if machine.gpu else _("none")
    yield "gpu", gpu
    unneeded = _("none, and none needed") if can_be_had() else _("none")
    yield _("c++ compiler"), find_compiler() or unneeded
    for package, version in versions.items():
        yield package, version or _("not installed")
    yield "vllm", shutil.which("vllm") or _("not on the PATH")
    free = f"{free_bytes(home) / GIB:.0f} GiB"
    yield _("home"), _("{path} ({free} free)").format(path=home, free=free)
    yield _("adapters"), ", ".join(list_names(home / "adapters")) or _("none yet")
    for name, packaged in SHORT_NAMES.items():
        missing = _("not installed: lora-chat bases pull {name}").format(name=name)
        yield _("base {name}").format(name=name), str(packaged.find() or missing)


def _meaning(machine: Machine) -> Iterator[str]:
    device = pick_device()
    yield _(
        "Training runs on the {device}: weights in NF4, computing in {precision}. Serving holds "
        "the base in {served}."
    ).format(
        device="GPU" if device == "cuda" else "CPU",
        precision=compute_precision(device),
        served=_served(device),
    )
    if machine.gpu is None:
        yield _(
            "Without an NVIDIA GPU a 135M model trains at 45 to 500 tokens/s on two cores; a 7B "
            "model is out of reach for training."
        )
    found = recommend(look_around(), TYPICAL)
    yield summary(found)
    yield from in_int4(found)
    if machine.gpu is not None:
        yield _(
            "For many readers at once, a vLLM in an environment of its own can compute on this "
            "GPU: `lora-chat serve --engine vllm --vllm-command PATH`. It is not chosen by itself."
        )
    if device == "cpu" and not can_be_had():
        yield _(
            "Serving in int8 is two to three times faster with a C++ compiler: apt install g++."
        )
    if not is_installed():
        yield _(
            "GGUF bases are converted and run by the torch engine. To run them as they are, on "
            "llama.cpp: {command}"
        ).format(command=install_command())


def _served(device: str) -> str:
    if device == "cuda":
        return "nf4"
    if not can_be_had():
        return _("int8 (not compiled), or fp32 where that is timed faster")
    told = _("int8 (kernel {kernel}), or fp32 where that is timed faster")
    return told.format(kernel=kernels_here()[0].name)
