"""The servers that are measured: ours with torch, vLLM as it is, and ours before that vLLM."""

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.process import START_TIMEOUT
from benchmarks.rivals.servers import listening, vllm_on_cpu
from benchmarks.serving.ours import our_server

from .material import RANK, Material, Scale

BARE, BEFORE_VLLM = "vLLM", "lora-chat before vLLM"
PRECISIONS = ("bf16", "nf4")
VLLM_START = 400  # [seconds] at the most: the first time it compiles
GPU_MEMORY = 0.85  # of the device, for vLLM: this process keeps a context there, too

Open = Callable[[str | None, float], AbstractContextManager[str]]


@dataclass(frozen=True, slots=True)
class Side:
    """A server. `open` gets the URL of the one that it stands before, if it does, and how long it
    may take to start [seconds]; it yields its own. Raises ProgramFailed."""

    name: str
    open: Open


Group = tuple[Side, ...]  # the second stands before the first, which runs on


def torch_groups(material: Material, scale: Scale) -> list[Group]:
    return [
        (Side(f"lora-chat, torch {precision}", partial(_torch, material, scale, precision)),)
        for precision in PRECISIONS
    ]


def vllm_group(material: Material, scale: Scale, command: Path) -> Group:
    bare = Side(BARE, partial(_vllm, material, scale, command))
    return bare, Side(BEFORE_VLLM, partial(_before_vllm, material, scale))


def vllm_command(material: Material, scale: Scale, command: Path) -> list[str]:
    """One batch may hold all adapters. Memory has room for as many again, which lora-chat pushes
    under names of its own, and for its adapter of zeros, which stands for the base."""
    count = len(material.adapters)
    on_gpu = scale.device == "cuda"
    return [
        *(str(command), "serve", str(material.base), "--served-model-name", material.base.name),
        *("--dtype", "bfloat16" if on_gpu else "float32", "--generation-config", "vllm"),
        *("--max-model-len", str(scale.context), "--max-num-seqs", str(max(scale.streams))),
        *("--enable-lora", "--max-loras", str(count), "--max-lora-rank", str(RANK)),
        *("--max-cpu-loras", str(2 * count + 1), "--disable-uvicorn-access-log"),
        *(("--gpu-memory-utilization", str(GPU_MEMORY)) if on_gpu else ("--enforce-eager",)),
        *("--lora-modules", *(f"{name}={folder}" for name, folder in material.adapters.items())),
    ]


def vllm_variables(material: Material, scale: Scale, command: Path) -> dict[str, str]:
    """Compiled code is kept, so that a second start takes less."""
    on_cpu = {} if scale.device == "cuda" else vllm_on_cpu(command.parent.parent)
    return {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_CACHE_ROOT": str(material.scratch / "vllm-cache"),
        "VLLM_USE_FLASHINFER_SAMPLER": "0",  # greedy answers need none; it may want to compile
        "PATH": os.pathsep.join([str(command.parent), os.environ.get("PATH", "")]),
        **on_cpu,
    }


@contextmanager
def _vllm(
    material: Material, scale: Scale, command: Path, _: str | None, timeout: float
) -> Generator[str]:
    started = vllm_command(material, scale, command)
    variables = vllm_variables(material, scale, command)
    with listening(started, material.log("vllm"), variables, min(timeout, VLLM_START)) as url:
        yield url


@contextmanager
def _torch(
    material: Material, scale: Scale, precision: str, _: str | None, timeout: float
) -> Generator[str]:
    options = ("--engine", "torch", "--precision", precision, "--kv-memory", str(scale.kv_gib))
    with _ours(material, scale, f"torch-{precision}", options, timeout) as url:
        yield url


@contextmanager
def _before_vllm(
    material: Material, scale: Scale, vllm: str | None, timeout: float
) -> Generator[str]:
    assert vllm is not None
    options = ("--engine", "vllm", "--vllm", vllm)
    with _ours(material, scale, "before-vllm", options, timeout) as url:
        yield url


@contextmanager
def _ours(
    material: Material, scale: Scale, name: str, options: Sequence[str], timeout: float
) -> Generator[str]:
    common = (
        *("--max-batch", str(max(scale.streams)), "--context", str(scale.context)),
        *("--jobs", "off", "--no-page"),
    )
    with our_server(
        material.home,
        log=material.log(name),
        base=str(material.base),
        options=(*options, *common),
        timeout=min(timeout, START_TIMEOUT),
    ) as server:
        yield server.url
