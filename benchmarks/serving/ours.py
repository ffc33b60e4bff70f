"""Our own server, started as a user starts it: under load, and with the very first request."""

import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.journal import Mix
from benchmarks.process import START_TIMEOUT, ProgramFailed, running
from benchmarks.summary import TOKENS_PER_SECOND
from finetune.defaults import DEFAULT_BASE
from service.bench.load import Target
from service.bench.prompts import Prompts
from service.client.stream import Reading, StreamBroken

from .bench import PROMPT_TOKENS, STREAMS, Bench, load_of
from .peak import peak_products, products_per_token
from .plan import Measure, Measured, Plan, Workload, measure_load

OURS = "lora-chat"
MIXES: tuple[Mix, ...] = ("eight", "one", "none")
FIRST_TOKENS = 16  # of the answer to the first request of all
EAGER = "no compiled code"
SHARE_OF_PEAK = "share_of_peak"
COLD, WARM = "nothing compiled yet", "compiled before"
READY = re.compile(r"^Ready: (\S+)/v1", re.MULTILINE)
LOOK = 0.01  # [seconds] between two looks at the log
COMPILING = 180  # [seconds] to wait for compiled code


@dataclass(frozen=True, slots=True)
class OurServer:
    url: str
    process_id: int

    @property
    def resident_memory(self) -> int:
        """[bytes] of the process, as the system counts them."""
        return psutil.Process(self.process_id).memory_info().rss

    def health(self) -> dict[str, Any]:
        return httpx.get(f"{self.url}/health", timeout=60).raise_for_status().json()

    def wait_until_compiled(self) -> bool:
        """False where nothing else was faster, or could be compiled, or not in all that time."""
        deadline = time.monotonic() + COMPILING
        while time.monotonic() < deadline:
            health = self.health()
            if not health["compiling"]:
                return health["compiled"]
            time.sleep(1)
        return False


@dataclass(frozen=True, slots=True)
class Timing:
    first_token_s: float  # after sending
    whole_s: float  # to the end of the answer


@contextmanager
def our_server(
    home: Path,
    *,
    log: Path,
    base: str = DEFAULT_BASE,
    options: Sequence[str] = (),
    timeout: float = START_TIMEOUT,
    on_start: Callable[[int], object] | None = None,  # with the process's number
) -> Generator[OurServer]:
    """Yield `lora-chat serve`, as soon as it says that it is ready; without options by default."""
    command = [
        *(sys.executable, "-m", "service.cli", "serve", "--port", "0"),
        *("--base", base, "--home", str(home), *options),
    ]
    with running(command, log, {"HF_HUB_OFFLINE": "1"}) as server:
        if on_start is not None:
            on_start(server.process.pid)
        url = server.wait_for(partial(_ready_url, log), LOOK, timeout)
        yield OurServer(url, server.process.pid)


def time_answer(url: str, model: str, prompt: str, num_tokens: int) -> Timing:
    """Ask once, streaming. Raises ProgramFailed where no answer comes, or none to the end."""
    reading = Reading()
    body = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "stream": True,
        "temperature": 0,
        "max_tokens": num_tokens,
        "ignore_eos": True,
    }
    with httpx.Client(base_url=url, timeout=120) as client:
        sent = time.perf_counter()
        try:
            with client.stream("POST", "/v1/chat/completions", json=body) as response:
                response.raise_for_status()
                for received in response.iter_bytes():
                    reading.take(received, time.perf_counter())
            reading.end(time.perf_counter())
        except (StreamBroken, httpx.HTTPError) as error:
            raise ProgramFailed(f"One request to {model} failed: {error}") from error
    if not reading.token_times:
        raise ProgramFailed(f"{model} answered nothing.")
    return Timing(reading.token_times[0] - sent, time.perf_counter() - sent)


def _ready_url(log: Path) -> str | None:
    found = READY.search(log.read_text(encoding="utf-8", errors="replace"))
    return found[1] if found else None


def our_plans(bench: Bench) -> Iterator[Plan]:
    loads = (
        *(bench.workload(mix, streams) for streams, mix in product(STREAMS, MIXES)),
        bench.workload("one", 1),
    )
    yield Plan("ours", OURS, loads, partial(_under_load, bench, ()))
    eager = tuple(bench.workload(mix, 8, EAGER) for mix in ("eight", "one"))
    yield Plan("ours", OURS, eager, partial(_under_load, bench, ("--no-compile",)))
    for setting in (COLD, WARM):
        first = Workload("first", 1, 1, setting, FIRST_TOKENS)
        yield Plan("ours", OURS, (first,), partial(_at_first, bench, setting))


@contextmanager
def _under_load(bench: Bench, options: Sequence[str]) -> Generator[Measure]:
    names = list(bench.adapters)
    models = {"eight": names, "one": names[:1], "none": [DEFAULT_BASE]}
    peak = None if options else peak_products(psutil.cpu_count() or 1)
    with our_server(bench.home, log=bench.log("ours"), options=options) as server:
        if not options:
            server.wait_until_compiled()
        health = server.health()
        told = {name: health[name] for name in ("compiled", "precision", "kernel")}

        def measure(workload: Workload, seed: int) -> Measured:
            targets = tuple(map(Target, models[workload.mix]))
            measured = measure_load(load_of(server.url, targets, workload, seed))
            figures = dict(measured.figures)
            rate = figures[TOKENS_PER_SECOND]
            if peak is not None and rate is not None:
                needed = products_per_token(bench.base.folder, health["kernel"])
                figures[SHARE_OF_PEAK] = rate * needed / peak
            return Measured(figures, {**measured.details, **told, "peak": peak})

        yield measure


@contextmanager
def _at_first(bench: Bench, setting: str) -> Generator[Measure]:
    """The first request goes out as soon as the server says that it is ready."""
    with (
        _home_for(bench.home, setting) as home,
        our_server(home, log=bench.log("first-request")) as server,
    ):

        def measure(workload: Workload, seed: int) -> Measured:
            prompt = Prompts(seed).question(0, PROMPT_TOKENS)
            timing = time_answer(
                server.url, next(iter(bench.adapters)), prompt, workload.num_tokens
            )
            return Measured(asdict(timing), {"is_compiled": server.health().get("compiled")})

        yield measure


@contextmanager
def _home_for(home: Path, setting: str) -> Generator[Path]:
    """The home itself, or one with the same base and adapters and nothing compiled."""
    if setting == WARM:
        yield home
        return
    cold = Path(tempfile.mkdtemp(prefix=".cold-", dir=home))
    try:
        for name in ("bases", "adapters"):
            (cold / name).symlink_to(home / name)
        yield cold
    finally:
        shutil.rmtree(cold, ignore_errors=True)
