"""Every kernel by itself: exact, whatever the numbers, on this machine or emulated."""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from serving.torch.native.kernels import KERNELS, X86, Kernel, kernels_for
from serving.torch.native.toolchain import FLAGS, SOURCES, find_compiler
from tests.serving.kernels_here import as_run_here

CHECK = Path(__file__).parent / "kernel_check.cpp"
CROSS, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64-static"

on_x86 = pytest.mark.skipif(platform.machine() not in X86, reason="for x86-64")


def compile_check(compiler: str | None, kernel: Kernel, folder: Path, *flags: str) -> Path:
    if compiler is None or shutil.which(compiler) is None:
        pytest.skip(f"no {compiler or 'C++ compiler'}")
    program = folder / "check"
    own = [flag.replace("-fopenmp", "-fopenmp-simd") for flag in FLAGS]
    command = [compiler, CHECK, "-I", SOURCES, *own, kernel.definition, *flags]
    subprocess.run([*command, "-o", program], check=True, timeout=120)
    return program


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return f"{done.stdout.strip()} {done.returncode}"


@on_x86
@pytest.mark.parametrize(
    "kernel", [each for each in KERNELS if each.machine != "aarch64"], ids=lambda each: each.name
)
def test_a_kernel_of_this_machine_is_right(kernel: Kernel, tmp_path: Path):
    own = as_run_here(kernel)
    program = compile_check(find_compiler(), kernel, tmp_path, *(own or kernel).flags)
    if own is None:
        pytest.skip("compiled only: this processor has not what it needs")
    assert run(program) == f"{kernel.name}: right 0"


@pytest.mark.parametrize(
    "kernel", [each for each in KERNELS if each.machine != "x86_64"], ids=lambda each: each.name
)
def test_a_kernel_for_arm_is_right(kernel: Kernel, tmp_path: Path):
    program = compile_check(CROSS, kernel, tmp_path, *kernel.flags, "-static")
    if shutil.which(EMULATOR) is None:
        pytest.skip(f"compiled only: no {EMULATOR}")
    assert run(EMULATOR, "-cpu", "max", program) == f"{kernel.name}: right 0"


def wrong_kernel(folder: Path, change: tuple[str, str]) -> Kernel:
    """The portable kernel with a mistake."""
    source = (SOURCES / "kernels" / "portable.hpp").read_text()
    assert change[0] in source
    (folder / "kernels").mkdir()
    changed = source.replace(*change).replace('"groups.hpp"', f'"{SOURCES}/kernels/groups.hpp"')
    (folder / "kernels" / "wrong.hpp").write_text(changed)
    return Kernel("wrong", "", frozenset(), ())


@pytest.mark.parametrize(
    "change",
    [
        ("FLUSH = 512", "FLUSH = 2048"),  # sums beyond int32
        ("int32_t(one[k]) * other[k]", "int16_t(one[k] * other[k])"),  # products beyond int16
        ("k < count; ++k) total", "k < count - 1; ++k) total"),
        ("double(scale * dot", "double(int16_t(scale) * (int16_t)dot"),  # of int4 alone
    ],
    ids=["overflow", "saturation", "a column short", "groups"],
)
def test_a_wrong_kernel_is_found_out(change: tuple[str, str], tmp_path: Path):
    kernel = wrong_kernel(tmp_path, change)
    program = compile_check(find_compiler(), kernel, tmp_path, "-I", str(tmp_path), "-fwrapv")
    assert "portable: wrong sums" in run(program)


ZEN1 = {"avx2", "fma3", "f16c"}
DESKTOP = ZEN1 | {"avx_vnni"}
SERVER = ZEN1 | {"avx512_f", "avx512_bw", "avx512_dq", "avx512_vl", "avx512_vnni"}


@pytest.mark.parametrize(
    ("features", "machine", "expected"),
    [
        (SERVER, "x86_64", "avx512_vnni"),
        (SERVER | {"avx_vnni"}, "x86_64", "avx512_vnni"),
        (DESKTOP, "AMD64", "avx_vnni"),
        (ZEN1, "x86_64", "avx2"),
        (ZEN1 - {"f16c"}, "x86_64", "portable"),
        (set[str](), "x86_64", "portable"),
        ({"neon", "dot", "i8mm"}, "arm64", "neon_i8mm"),
        ({"neon", "dot"}, "aarch64", "neon_dotprod"),
        ({"neon"}, "aarch64", "portable"),
        (set[str](), "riscv64", "portable"),
    ],
)
def test_a_processor_gets_the_best_kernel_that_it_can_run(
    features: set[str], machine: str, expected: str
):
    names = [kernel.name for kernel in kernels_for(features, machine)]
    assert names[0] == expected
    assert names[-1] == "portable"
