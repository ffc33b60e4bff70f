"""What this machine has, and which number formats that makes fast."""

import gc
import os
import platform
import sys
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

GIB = 1 << 30
Precision = Literal["fp32", "bf16", "nf4", "int8", "int4"]
# [bytes] of a weight. NF4: 4 bits, 8 of scale for 64 weights and 32 for 256 scales.
WEIGHT_BYTES: dict[Precision, float] = {
    "nf4": 1 / 2 + 1 / 64 + 4 / (64 * 256),
    "int8": 1.0,
    "int4": 0.5 + 1 / 32,  # scales of groups of 32; served alone
    "bf16": 2.0,
    "fp32": 4.0,
}
PROGRAM_BYTES = {"cpu": 700 << 20, "cuda": 900 << 20}  # of Python and torch, or of CUDA itself

CHUNK_BYTES = 64 << 20  # of float32 logits that training makes at a time

# What the arithmetic here profits from; the rest of a CPU's flags says nothing to a user.
TELLING_FEATURES = (
    *("avx2", "avx_vnni", "avx512_f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"),
    *("dot", "i8mm"),  # Arm's
)


SPIN_COUNT = "GOMP_SPINCOUNT"  # how often an idle thread looks for more work before it sleeps
# Left to itself, a training looks for milliseconds and takes the cores from a server.
TRAINING_SPINS = "20000"
# Longer than a server is between two products: a thread that sleeps within a step leaves its core
# to whoever has waited for it, and the others wait for them both. Beside a training of lower
# priority (EPYC with AVX-512 VNNI, two cores, four streams) the 95th percentile between two tokens
# is 101 ms with 20,000, with 200,000 it is 19 ms, as without the training; alone 17 to 19 instead
# of 21 to 24 ms.
SERVING_SPINS = "200000"


def before_torch(
    spins: str = TRAINING_SPINS, environment: MutableMapping[str, str] = os.environ
) -> None:
    """Settings that count only if they are there when torch is first imported, here or in a process
    with another environment.

    What a user has set stays; what a server has set for itself is not for those whom it starts.
    """
    if environment.get(SPIN_COUNT, SERVING_SPINS) == SERVING_SPINS:
        environment[SPIN_COUNT] = spins


@dataclass(frozen=True, slots=True)
class Machine:
    cpu: str
    num_cores: int
    features: tuple[str, ...]
    memory_bytes: int
    gpu: str | None
    gpu_memory_bytes: int


def describe_machine() -> Machine:
    import psutil
    import torch

    gpu = torch.cuda.get_device_properties(0) if torch.cuda.is_available() else None
    return Machine(
        cpu=_cpu_name(),
        num_cores=psutil.cpu_count(logical=False) or psutil.cpu_count() or 1,
        features=cpu_features(),
        memory_bytes=psutil.virtual_memory().total,
        gpu=gpu.name if gpu else None,
        gpu_memory_bytes=gpu.total_memory if gpu else 0,
    )


def cpu_features() -> tuple[str, ...]:
    """The CPU's features that matter to speed here, by torch's names: those that torch may use."""
    import torch

    present = torch.cpu.get_capabilities()
    is_wide = torch.backends.cpu.get_cpu_capability() == "AVX512"  # less under ATEN_CPU_CAPABILITY
    return tuple(
        name
        for name in TELLING_FEATURES
        if present.get(name) and (is_wide or not name.startswith(("avx512", "amx")))
    )


def device_memory(device: str) -> int:
    """[bytes] of the GPU, or of the machine."""
    import psutil
    import torch

    if device == "cuda":
        return torch.cuda.get_device_properties(0).total_memory
    return psutil.virtual_memory().total


@dataclass(frozen=True, slots=True)
class Memory:
    """How much of it there is at one moment."""

    device: str
    total_bytes: int
    free_bytes: int
    own_bytes: int  # that this process holds


def look_at_memory() -> Memory:
    """The memory of the GPU, or of the machine."""
    import psutil
    import torch

    device = pick_device()
    if device == "cuda":
        free, total = torch.cuda.mem_get_info()
        return Memory(device, total, free, torch.cuda.memory_reserved() + PROGRAM_BYTES[device])
    memory = psutil.virtual_memory()
    return Memory(device, memory.total, memory.available, psutil.Process().memory_info().rss)


def pick_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def compute_precision(device: str) -> Literal["fp32", "bf16"]:
    """What to compute in while training.

    A CPU without native bfloat16 runs it many times slower than float32 (pytorch#146508).
    """
    if device == "cuda" or {"avx512_bf16", "amx_bf16"} & set(cpu_features()):
        return "bf16"
    return "fp32"


def wide_precision(device: str) -> Literal["fp32", "bf16"]:
    """The widest precision that the device runs well: what base and adapter are compared in."""
    return "bf16" if device == "cuda" else "fp32"


def peak_memory(device: str) -> int:
    """The most bytes held so far: on the GPU, or by this process."""
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated()
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset
    status = Path("/proc/self/status")
    if status.is_file():  # what getrusage says there begins with what the parent held
        (line,) = (
            each
            for each in status.read_text(encoding="ascii", errors="replace").splitlines()
            if each.startswith("VmHWM:")
        )
        return int(line.split()[1]) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def free_memory(device: str) -> None:
    """Give back what nothing refers to any more."""
    import torch

    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
