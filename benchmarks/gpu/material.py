"""What all servers are given: a base of random weights and adapters, written once and kept."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.adapters import make_adapters
from benchmarks.process import ProgramFailed
from benchmarks.random_base import LLAMA_2_7B, make_random_base
from benchmarks.serving.pool import Pool
from finetune.hardware import free_memory

from .words import word_tokenizer

RANK = 16
TINY = {
    "vocab_size": 512,
    "hidden_size": 128,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,  # of 64: vLLM has no attention for heads of any size
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}


@dataclass(frozen=True, slots=True)
class Scale:
    base_name: str
    sizes: dict[str, int]
    device: str
    disk_bytes: int  # of the base and the adapters
    num_adapters: int
    streams: tuple[int, ...]
    requests_per_stream: int
    prompt_tokens: int  # as `lora-chat bench` counts: two for each of the tokenizer's, about
    output_tokens: int
    context: int  # [tokens] that a request may take
    kv_gib: int  # of our torch engine: for all streams at once


FULL = Scale("random-7b", LLAMA_2_7B, "cuda", 20 << 30, 16, (8, 32, 128), 2, 250, 128, 512, 34)
REHEARSAL = Scale("random-tiny", TINY, "cpu", 1 << 20, 2, (1, 2), 2, 16, 8, 256, 1)


@dataclass(frozen=True, slots=True)
class Material:
    base: Path
    adapters: dict[str, Path]  # PEFT folders by name
    home: Path  # where `lora-chat serve` finds them
    scratch: Path  # for logs and what others keep

    def log(self, name: str) -> Path:
        return self.scratch / "logs" / f"{name}.log"


def make_material(scratch: Path, scale: Scale) -> Material:
    """Write what is missing. Raises ProgramFailed where the disk is too small."""
    base = make_base(scratch, scale.base_name, scale.sizes, scale.device, scale.disk_bytes)
    tokenizer = base / "tokenizer.json"
    if not tokenizer.is_file():
        word_tokenizer(scale.sizes["vocab_size"]).save_pretrained(base)
    home = scratch / f"home-{scale.base_name}"
    pool = Pool(home / "adapters", _template(scratch, base), scale.num_adapters)
    pool.folder.mkdir(parents=True, exist_ok=True)
    pool.fill()
    adapters = {f"n{n}": pool.adapter(n) for n in range(1, scale.num_adapters + 1)}
    return Material(base, adapters, home, scratch)


def make_base(
    scratch: Path, name: str, sizes: Mapping[str, int], device: str, disk_bytes: int
) -> Path:
    """A base that is there is kept. Raises ProgramFailed where the disk is too small."""
    scratch.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(scratch).free
    if not (scratch / name).is_dir() and free < disk_bytes:
        raise ProgramFailed(
            f"What is measured takes {disk_bytes / 1e9:.0f} GB of disk, and in {scratch} "
            f"{free / 1e9:.1f} GB are free. Name another folder with --scratch."
        )
    base = make_random_base(scratch / name, sizes, device)
    free_memory(device)  # what is measured wants all of it
    return base


def _template(scratch: Path, base: Path) -> Path:
    """The adapter that all others are variants of."""
    home = scratch / f"template-{base.name}"
    folder = home / "adapters" / "a1" / "1"
    if not (folder / "adapter_config.json").is_file():  # it is written last
        make_adapters(home, base, count=1, rank=RANK)
    return folder
