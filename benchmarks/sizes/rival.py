"""llama-server beside ours: the same shape in as many bits, the same loads."""

from pathlib import Path

from benchmarks.adapters import make_adapters, write_gguf
from benchmarks.rivals.servers import llama_server
from service.bench.load import Target

from .gguf import KINDS, gguf_base
from .serving import ADAPTERS, EIGHT, FIRST, NUM_ADAPTERS, PROMPT, figures_of, loads_of
from .shapes import split_name
from .sitting import Sitting


def rival_of(size: str) -> str:
    return f"llama-server {KINDS[split_name(size)[1]]}"


def measure_rival(sitting: Sitting, binaries: Path) -> None:
    """One server with a slot, one with eight, and one with eight and as many adapters."""
    rival, loads = rival_of(sitting.size), loads_of(sitting)
    if not any(sitting.lacks(rival, name) for name in loads):
        return
    base = gguf_base(sitting.base, sitting.least.precision)
    adapters = _gguf_adapters(sitting)
    for number, names in enumerate(((FIRST, PROMPT), (EIGHT,), (ADAPTERS,))):
        has_adapters, slots = loads[names[0]].has_adapters, loads[names[0]].streams
        log, threads = sitting.log(f"llama-{number}"), sitting.threads
        taken = adapters if has_adapters else []
        with llama_server(binaries, base, taken, slots, True, log=log, threads=threads) as url:
            targets = tuple(Target("base", (place,)) for place in range(len(taken)))
            for name in names:
                load = loads[name].load(url, targets or (Target("base"),))
                sitting.measure(rival, name, lambda load=load: figures_of(load))


def _gguf_adapters(sitting: Sitting) -> list[Path]:
    made = make_adapters(sitting.home, sitting.base, count=NUM_ADAPTERS)
    return [
        write_gguf(folder, sitting.base, sitting.home / "gguf" / f"{name}.gguf")
        for name, folder in made.items()
    ]
