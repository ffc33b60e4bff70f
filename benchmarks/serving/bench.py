"""What all measurements share: the base and eight adapters in every form, and how much is asked."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.adapters import make_adapters, write_gguf
from benchmarks.journal import Mix
from benchmarks.rivals.servers import quantize
from finetune.adapters.files import WEIGHTS_FILE
from finetune.bases.base import SHORT_NAMES, Base, find_base
from finetune.defaults import DEFAULT_BASE
from service.bench.load import Load, Target

from .plan import Workload

STREAMS = (8, 16)
PROMPT_TOKENS = 30  # of a question, about; the base's chat template adds as many
NUM_ADAPTERS = 8


@dataclass(frozen=True, slots=True)
class Size:
    requests_per_stream: int = 3
    # Where a server takes long: vLLM, and llama-server, which computes one adapter's requests
    # after another's.
    slow_requests_per_stream: int = 2
    output_tokens: int = 64


@dataclass(frozen=True, slots=True)
class Bench:
    home: Path
    base: Base
    adapters: dict[str, Path]  # PEFT folders by name
    size: Size
    llama_bin: Path | None = None  # the folder that holds llama-server
    vllm_env: Path | None = None

    def log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"

    def workload(
        self, mix: Mix, streams: int, setting: str = "", *, is_slow: bool = False
    ) -> Workload:
        size = self.size
        each = size.slow_requests_per_stream if is_slow else size.requests_per_stream
        return Workload(mix, streams, each * streams, setting, size.output_tokens)

    def quantized(self, kind: str) -> Path:
        """The base as llama-server's file. Raises ProgramFailed."""
        source = SHORT_NAMES[DEFAULT_BASE].find()
        assert source is not None
        assert self.llama_bin is not None
        return quantize(self.llama_bin, source, kind, self.home / "gguf")

    def gguf_adapters(self) -> list[Path]:
        return [self._gguf_adapter(name, adapter) for name, adapter in self.adapters.items()]

    def _gguf_adapter(self, name: str, adapter: Path) -> Path:
        path = self.home / "gguf" / f"{name}.gguf"
        is_newer = path.is_file() and path.stat().st_mtime > _written_at(adapter)
        return path if is_newer else write_gguf(adapter, self.base.folder, path)


def _written_at(adapter: Path) -> float:
    return (adapter / WEIGHTS_FILE).stat().st_mtime


def prepare(home: Path, size: Size, llama_bin: Path | None, vllm_env: Path | None) -> Bench:
    """Make eight random adapters for the default base under home. Raises BaseNotFound."""
    base = find_base(DEFAULT_BASE, home)
    adapters = make_adapters(home, base.folder, count=NUM_ADAPTERS)
    return Bench(home, base, adapters, size, llama_bin, vllm_env)


def load_of(url: str, targets: tuple[Target, ...], workload: Workload, seed: int) -> Load:
    return Load(
        url,
        targets,
        concurrency=workload.streams,
        num_requests=workload.num_requests,
        prompt_tokens=PROMPT_TOKENS,
        output_tokens=workload.num_tokens,
        seed=seed,
    )
