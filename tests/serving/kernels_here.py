"""The kernels that this machine can run, and with which flags."""

import platform
from dataclasses import replace

import torch

from serving.torch.native.kernels import ARM, KERNELS, X86, Kernel

HAS = {name for name, value in torch.cpu.get_capabilities().items() if value is True}
# AVX-512 has the instruction of AVX-VNNI, too.
SAME = ("-mavx2", "-mfma", "-mf16c", "-mavx512vl", "-mavx512vnni")


def as_run_here(kernel: Kernel) -> Kernel | None:
    """None: this processor has not what it needs."""
    machines = {"x86_64": X86, "aarch64": ARM}
    if kernel.machine and platform.machine() not in machines[kernel.machine]:
        return None
    if kernel.needs <= HAS:
        return kernel
    if kernel.name == "avx_vnni" and {"avx512_vnni", "avx512_vl"} <= HAS:
        return replace(kernel, flags=SAME)
    return None


RUN_HERE = [own for own in map(as_run_here, KERNELS) if own is not None]
