"""The built wheel: what is needed is in it, and its command works in any folder."""

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.torch.native.kernels import X86, kernels_here
from serving.torch.native.toolchain import find_compiler
from tests.container import copied_paths
from tests.service.test_serve_process import Served

ROOT = Path(__file__).parents[1]
PACKAGES = ("data", "finetune", "serving", "service")
NEEDED = {  # one of each kind that is no code
    "data/samples/tcm_consultation.txt",
    "data/checking/report.html.j2",
    "finetune/evaluation/report.html.j2",
    "serving/torch/native/cpp/library.cpp",
    "serving/torch/native/cpp/kernels/avx2.hpp",
    "service/configs/demo.yaml",
    "service/state/migrations/script.py.mako",
    "service/state/migrations/versions/0001_keys_and_usage.py",
}
OLDEST_GLIBC = 28  # 2.28, which torch itself asks for
Run = Callable[..., subprocess.CompletedProcess[str]]
FAULTY = "Q: Why?\nA: Because.\n\nQ: And then?\n\nQ: What now?\nA: Go on.\n"


def build(source: Path, **variables: str) -> Path:
    """A wheel of what a container gets to see, and of nothing else."""
    for path in copied_paths():
        if (ROOT / path).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / path, source / path, ignore=ignored)
        else:
            shutil.copyfile(ROOT / path, source / path)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    environment = os.environ | variables
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next((source / "dist").iterdir())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("source"))


def test_the_wheel_holds_every_file_of_the_packages_and_the_configurations(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = {path for package in PACKAGES for path in (ROOT / package).rglob("*.*")}
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in files
        if path.is_file() and "__pycache__" not in path.parts
    }
    expected |= {f"service/configs/{path.name}" for path in (ROOT / "configs").iterdir()}
    assert held == expected
    assert held >= NEEDED


def install(wheel: Path, folder: Path) -> Path:
    """Install it where nothing else of ours is; what it depends on is borrowed from here. Returns
    its command."""
    venv.create(folder, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder), "--quiet"]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True)
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "borrowed.pth").write_text("\n".join(sorted(borrowed)), encoding="utf-8")
    return folder / "bin" / "lora-chat"


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(wheel, tmp_path_factory.mktemp("venv"))


@pytest.fixture
def run(command: Path, tmp_path: Path) -> Run:
    """In a folder that has packages of our packages' names."""
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise RuntimeError('not this one')\n")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"LORA_CHAT_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [command, *words], cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    return call


def test_its_command_needs_nothing_of_the_folder_it_is_typed_in(run: Run, tmp_path: Path):
    (tmp_path / "questions.txt").write_text(FAULTY.replace("\n\nQ: And then?", ""))
    checked = run("data", "check", "questions.txt", "--report", "report.html")
    assert checked.returncode == 0, checked.stderr
    assert "questions.txt" in (tmp_path / "report.html").read_text(encoding="utf-8")
    made = run("keys", "create", "anna")  # migrations make the tables
    assert re.fullmatch(r"lc-\S+\n", made.stdout), made.stderr


def test_it_brings_its_configurations(run: Run, tmp_path: Path):
    done = run("configs", "smollm2-cpu", "--out", "my.yaml")
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "my.yaml").read_text(encoding="utf-8")
    assert written == (ROOT / "configs" / "smollm2-cpu.yaml").read_text(encoding="utf-8")


def test_the_demo_finds_its_data_and_its_configuration(command: Path, tmp_path: Path):
    code = (
        "from service.demo import DOMAINS; from service.shipped import shipped_configs;"
        "print(*(d.file for d in DOMAINS), shipped_configs()['demo'], sep='\\n')"
    )
    python = command.with_name("python")
    done = subprocess.run([python, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    found = [Path(line) for line in done.stdout.splitlines()]
    assert len(found) == 3, done.stderr
    assert all(path.is_file() and path.is_relative_to(command.parents[1]) for path in found)


def test_several_processes_are_started_by_the_command_and_tell_a_fault_once(
    run: Run, tmp_path: Path
):
    (tmp_path / "faulty.txt").write_text(FAULTY)
    done = run("finetune", "faulty.txt", "--processes", "2")
    assert done.returncode == 1
    assert done.stderr.count("faulty.txt:4:") == 1, done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a wheel with compiled code in it, as `make wheel` builds it."""
    if find_compiler() is None or platform.machine() not in X86:
        pytest.skip("no C++ compiler for x86-64")
    wheel = build(tmp_path_factory.mktemp("source"), HATCH_BUILD_HOOK_ENABLE_CUSTOM="true")
    tag = re.fullmatch(r"lora_chat-[^-]+-py3-none-manylinux_2_(\d+)_x86_64\.whl", wheel.name)
    assert tag, wheel.name
    assert int(tag[1]) <= OLDEST_GLIBC, wheel.name
    return install(wheel, tmp_path_factory.mktemp("compiled"))


@pytest.mark.slow
@pytest.mark.parametrize("capability", ["default", "avx2"])
def test_where_no_compiler_is_it_answers_with_the_code_that_it_brings(
    capability: str,
    compiled: Path,
    make_base: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """With the best kernel that the processor has, or may use."""
    for name in ("CXX", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(compiled.parent))
    if capability != "default":
        monkeypatch.setenv("ATEN_CPU_CAPABILITY", capability)
    barred = "no name" if capability == "default" else "avx512"
    kernel = next(each.name for each in kernels_here() if not each.name.startswith(barred))
    server = Served(
        make_base("llama"), tmp_path, options=("--precision", "int8"), program=(str(compiled),)
    )
    try:
        assert server.answer("tiny-llama")
        health = httpx.get(f"{server.url}/health").json()
    finally:
        server.stop()
    assert (health["compiled"], health["kernel"]) == (True, kernel), server.log
    assert not list((tmp_path / "compiled").glob("*.so"))
    doctor = subprocess.run([compiled, "doctor"], capture_output=True, text=True)
    assert "none, and none needed" in doctor.stdout, doctor.stderr
    assert "apt install g++" not in doctor.stdout
