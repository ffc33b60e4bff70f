"""What this machine has, how it is used, and which bases it could carry."""

import asyncio
import importlib.metadata
import logging
import platform
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from fastapi.concurrency import run_in_threadpool

from finetune.hardware import compute_precision, describe_machine, pick_device
from service.recommendation import TYPICAL, Here, look_around, recommend
from serving.adapters.loader import in_thread
from serving.engine import Engine
from serving.torch.native.toolchain import find_compiler

from .protocol import MachineInfo, RecommendedBases, ServingHere, TrainingHere

logger = logging.getLogger(__name__)

PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "fastapi",
    "llama-cpp-python",
)
MAX_AGE = 600.0  # [seconds] that what has been timed counts


class MachineInspection:
    """Times the machine while it serves, and so once in a while at most."""

    def __init__(
        self,
        engine: Engine,
        base_id: str,
        home: Path,
        look: Callable[[], Here] = look_around,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._base_id = base_id
        self._home = home
        self._look = look
        self._clock = clock
        self._recommended: RecommendedBases | None = None
        self._looked: float | None = None  # when
        self._lock = asyncio.Lock()

    async def describe(self) -> MachineInfo:
        async with self._lock:
            if self._looked is None or self._clock() - self._looked > MAX_AGE:
                timing = asyncio.wrap_future(in_thread(self._recommend))
                self._recommended = await asyncio.shield(timing)
                self._looked = self._clock()
        return await run_in_threadpool(self._info, self._recommended)

    def _recommend(self) -> RecommendedBases | None:
        """None where the machine cannot be timed."""
        try:
            here = self._look()
        except RuntimeError as error:  # torch's, of a GPU that is full
            logger.warning("No base is recommended, for this machine cannot be timed: %s", error)
            return None
        return RecommendedBases.of(recommend(here, TYPICAL), TYPICAL)

    def _info(self, recommended: RecommendedBases | None) -> MachineInfo:
        machine, device = describe_machine(), pick_device()
        return MachineInfo(
            system=f"{platform.system()} {platform.machine()}",
            cpu=machine.cpu,
            num_cores=machine.num_cores,
            cpu_features=list(machine.features),
            memory_bytes=machine.memory_bytes,
            gpu=machine.gpu,
            gpu_memory_bytes=machine.gpu_memory_bytes,
            free_disk_bytes=free_bytes(self._home),
            has_compiler=find_compiler() is not None,
            versions=versions_here(),
            training=TrainingHere(device=device, precision=compute_precision(device)),
            serving=self._serving(),
            recommended=recommended,
        )

    def _serving(self) -> ServingHere:
        stats = self._engine.stats()
        return ServingHere(
            model=self._base_id,
            precision=stats.precision,
            kernel=stats.kernel,
            threads=stats.num_threads,
            cores_elsewhere=round(stats.cores_elsewhere, 1),
            compiled=stats.is_compiled,
        )


def versions_here() -> dict[str, str | None]:
    """The versions of Python, of this program and of what computes for it; None: not installed."""
    packages = {name: _version(name) for name in ("lora-chat", *PACKAGES)}
    return {"python": platform.python_version(), **packages}


def free_bytes(home: Path) -> int:
    """What the disk has left that a home is on, or will be."""
    existing = next(path for path in (home, *home.parents) if path.exists())
    return shutil.disk_usage(existing).free


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
