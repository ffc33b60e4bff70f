"""Which kernel multiplies int8 and int4 here, and how the compiled code is made for it."""

import platform
from collections.abc import Set
from dataclasses import dataclass

AVX2 = ("-mavx2", "-mfma", "-mf16c")
AVX512 = (*AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni")


@dataclass(frozen=True, slots=True)
class Kernel:
    """One file of cpp/kernels, for processors that have all of `needs`."""

    name: str
    machine: str  # platform.machine(); "": any
    needs: frozenset[str]  # by their names in torch.cpu.get_capabilities()
    flags: tuple[str, ...]  # of the compiler

    @property
    def definition(self) -> str:
        return f'-DKERNEL="kernels/{self.name}.hpp"'


# The first that the processor has and the compiler knows is taken. avx_vnni is for Intel's desktops
# of 2021 and later, which have no AVX-512.
KERNELS = (
    Kernel(
        "avx512_vnni",
        "x86_64",
        frozenset({"avx512_vnni", "avx512_bw", "avx512_dq", "avx512_vl", "fma3", "f16c"}),
        AVX512,
    ),
    Kernel("avx_vnni", "x86_64", frozenset({"avx_vnni", "fma3", "f16c"}), (*AVX2, "-mavxvnni")),
    Kernel("avx2", "x86_64", frozenset({"avx2", "fma3", "f16c"}), AVX2),
    Kernel("neon_i8mm", "aarch64", frozenset({"i8mm", "dot"}), ("-march=armv8.2-a+dotprod+i8mm",)),
    Kernel("neon_dotprod", "aarch64", frozenset({"dot"}), ("-march=armv8.2-a+dotprod",)),
    Kernel("portable", "", frozenset(), ()),
)
X86 = ("x86_64", "AMD64")
ARM = ("aarch64", "arm64")
BARRED = {"AVX2": "avx512", "DEFAULT": "avx"}  # by torch's capability: how names begin


def kernels_for(features: Set[str], machine: str) -> list[Kernel]:
    """What a processor with these features can run, the best first."""
    names = {"x86_64": X86, "aarch64": ARM, "": (machine,)}
    return [each for each in KERNELS if machine in names[each.machine] and each.needs <= features]


def kernels_here() -> list[Kernel]:
    """Follows $ATEN_CPU_CAPABILITY, as torch does: what it may not use, is not used here either."""
    import torch

    features = {name for name, value in torch.cpu.get_capabilities().items() if value is True}
    barred = BARRED.get(torch.backends.cpu.get_cpu_capability(), "no name")
    features = {name for name in features if not name.startswith(barred)}
    return kernels_for(features, platform.machine())
