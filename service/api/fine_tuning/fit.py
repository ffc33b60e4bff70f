"""Whether a job fits into memory, told before it waits in vain."""

from collections.abc import Callable
from pathlib import Path

from data.wording import N_
from finetune.hardware import GIB, Memory, look_at_memory
from finetune.room import Reckoning
from service.errors import InvalidRequest
from service.jobs.job import NewJob

CODE = "does_not_fit"


class Fit:
    """Reckons with the served base beside the job, unless it leaves memory for jobs."""

    def __init__(
        self,
        base: str,
        home: Path,
        *,
        is_exclusive: bool,
        look: Callable[[], Memory] = look_at_memory,
    ) -> None:
        self._reckoning = Reckoning(base, home)
        self._is_exclusive = is_exclusive
        self._look = look

    def check(self, new: NewJob, *, is_training: bool, is_dry: bool = False) -> None:
        """Raises InvalidRequest where the job would not fit into a GPU's memory. What another one
        that `is_training` holds is free again when this one's turn comes. Nothing makes room for a
        dry run."""
        memory = self._look()
        needed = self._reckoning.run_bytes(new.options, memory)
        if needed is None or memory.device == "cpu":
            return
        if self._is_exclusive and is_dry:
            free, where = memory.free_bytes, "has free beside this server"
            advice = "Make the job without a dry run: the served base leaves memory to it."
        elif self._is_exclusive:
            free, where = memory.total_bytes, "has in all"
            advice = "Serve a smaller base, or use a larger GPU."
        else:
            left = memory.total_bytes - memory.own_bytes
            free, where = left if is_training else memory.free_bytes, "has free beside this server"
            advice = (
                "Start the server with --jobs exclusive, and the served base leaves memory while "
                "a job trains; or with less --kv-memory, or with a smaller base."
            )
        if needed > free:
            raise InvalidRequest(
                f"A job on this base takes about {_gib(needed)} of the GPU's memory, which "
                f"{where} {_gib(free)}. {advice}",
                "model",
                CODE,
            )

    def warning(self, new: NewJob) -> str | None:
        """What to tell of a job for which a machine without a GPU is plainly too small."""
        memory = self._look()
        needed = self._reckoning.run_bytes(new.options, memory)
        if needed is None or memory.device != "cpu" or needed <= memory.total_bytes:
            return None
        told = N_(
            "The job takes about {needed} of memory, and this machine has {total}: it may be slow, "
            "or end for want of memory."
        )
        return told.format(needed=_gib(needed), total=_gib(memory.total_bytes))


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / GIB:.1f} GiB"
