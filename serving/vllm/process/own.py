"""A vLLM of our own on this machine: started, waited for, started again when it ends, stopped."""

import asyncio
import logging
import os
import secrets
import shutil
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx

from serving.errors import EngineFailed

from .life import INTERVAL, Life

HOST = "127.0.0.1"
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # that vLLM can be told to take adapters up to
NUM_KEPT = 64  # adapters in memory at least; vLLM reads others from disk when they are asked for

VARIABLES = {
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
}
KEY = "VLLM_API_KEY"  # a list of processes shows arguments to everybody, and variables to few
# What is ours and not vLLM's: secrets, and where Python finds another torch than vLLM's.
OURS = ("LORA_CHAT_", "PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH")
CHOSEN = ("--host", "--port", "--uds", "--api-key", "--ssl-certfile", "--ssl-keyfile")

LOOK = 5.0  # [seconds] for an answer about its health
TELL = 30.0  # [seconds] from one line in our log to the next, while it starts
LONGEST_START = 3600.0  # [seconds]: hundreds of gigabytes from a slow disk; beyond it, it hangs
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # [seconds] before it is started again
WELL = 300.0  # [seconds] after which an end has nothing to do with the one before

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OwnConfig:
    command: Path | str  # vLLM's; a name without a folder is looked for in PATH
    base: Path  # a Hugging Face folder
    log: Path  # the one of the run before is kept beside it, with `.1` behind its name
    slots: int = 8  # adapters in one batch; one of them may be that of zeros
    max_rank: int = 16  # of an adapter; vLLM takes the next of RANKS
    context_length: int | None = None  # [tokens]; the base's own if None
    extra: tuple[str, ...] = ()  # more arguments for vLLM; they win over those made here


class OwnServer:
    """It has the same URL and key for as long as this object lives, however often it restarts."""

    def __init__(self, config: OwnConfig) -> None:
        self._config = config
        self._port = _free_port()
        self._life: Life | None = None
        self._watching: asyncio.Task[None] | None = None
        self.url = f"http://{HOST}:{self._port}"
        self.key = secrets.token_urlsafe(32)

    async def start(self) -> str:
        """Its URL, once it answers: with a large base after minutes. Raises EngineFailed where
        it cannot be started or ends before that."""
        try:
            _put_aside(self._config.log)
            await self._begin()
        except OSError as error:
            raise EngineFailed(f"vLLM cannot be started: {error}.") from error
        self._watching = asyncio.create_task(self._watch())
        return self.url

    async def stop(self) -> None:
        """End it with all that it has started, and no longer watch it."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        await self._end()

    async def _begin(self) -> None:
        """Start it and wait until it answers; nothing of it is left where it does not. Raises
        EngineFailed and OSError."""
        command, log = self._command(), self._config.log
        logger.info("Starting vLLM, which may take minutes; its log is %s", log)
        self._life = life = Life(command, _environment(command[0], self.key), log)
        try:
            await self._wait_for(life)
        except BaseException:
            await asyncio.shield(self._end())
            raise

    async def _wait_for(self, life: Life) -> None:
        began = told = time.monotonic()
        headers = {"Authorization": f"Bearer {self.key}"}
        async with httpx.AsyncClient(headers=headers, timeout=LOOK, trust_env=False) as http:
            while not await self._is_healthy(http):
                now = time.monotonic()
                if life.exit_code is not None:
                    raise EngineFailed(life.end_told())
                if now - began > LONGEST_START:
                    told = f"vLLM does not answer after {LONGEST_START / 60:.0f} minutes"
                    raise EngineFailed(f"{told}; {life.log_told()}")
                if now - told > TELL:
                    told = now
                    logger.info("vLLM is still starting, after %.0f s", now - began)
                await asyncio.sleep(INTERVAL)
        logger.info("vLLM answers at %s after %.0f s", self.url, time.monotonic() - began)

    async def _is_healthy(self, http: httpx.AsyncClient) -> bool:
        try:
            return (await http.get(f"{self.url}/health")).status_code == HTTPStatus.OK
        except httpx.HTTPError:
            return False

    async def _watch(self) -> None:
        """Start it again whenever it ends: at once, and then after ever longer pauses."""
        pause = 0.0
        while True:
            if (life := self._life) is not None:
                answers_since = time.monotonic()
                await life.wait()
                logger.warning("%s", life.end_told())
                await self._end()
                pause = 0.0 if time.monotonic() - answers_since > WELL else pause
            await asyncio.sleep(pause)
            pause = min(max(2 * pause, FIRST_PAUSE), LONGEST_PAUSE)
            try:
                await self._begin()
            except (EngineFailed, OSError) as error:
                logger.warning("%s", error)

    async def _end(self) -> None:
        if (life := self._life) is not None:
            await life.end()
            self._life = None

    def _command(self) -> list[str]:
        """Raises EngineFailed."""
        config = self._config
        rank = next((each for each in RANKS if each >= config.max_rank), None)
        if rank is None:
            raise EngineFailed(
                f"vLLM takes adapters up to rank {RANKS[-1]}, not {config.max_rank}."
            )
        length = config.context_length
        return [
            *(_program(config.command), "serve", str(config.base)),
            *("--host", HOST, "--port", str(self._port), "--generation-config", "vllm"),
            *("--enable-lora", "--max-loras", str(config.slots), "--max-lora-rank", str(rank)),
            *("--max-cpu-loras", str(max(config.slots, NUM_KEPT))),
            *("--api-server-count", "1"),  # each would have a list of adapters of its own
            "--disable-uvicorn-access-log",  # which would hide what else the log says
            *(() if length is None else ("--max-model-len", str(length))),
            *_allowed(config.extra),
        ]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return free.getsockname()[1]


def _put_aside(log: Path) -> None:
    with suppress(FileNotFoundError):
        log.replace(log.with_name(f"{log.name}.1"))


def _program(command: Path | str) -> str:
    """Raises EngineFailed."""
    if sys.platform == "win32":
        raise EngineFailed("vLLM does not run on Windows; under its Linux (WSL) it does.")
    path = os.path.expanduser(command)
    if (found := shutil.which(path)) is not None:
        return found
    told = (
        f"{path} is no program that can be run" if os.path.exists(path) else f"there is no {path}"
    )
    made = "`python -m venv vllm && vllm/bin/pip install vllm` makes one, vllm/bin/vllm"
    raise EngineFailed(f"vLLM cannot be started: {told}. {made}.")


def _allowed(extra: tuple[str, ...]) -> tuple[str, ...]:
    """Raises EngineFailed for what we could not reach it with."""
    for argument in extra:
        name = argument.partition("=")[0].replace("_", "-")
        if name in CHOSEN:
            raise EngineFailed(f"vLLM's address and key are chosen here: leave {name} out.")
    return extra


def _environment(program: str, key: str) -> dict[str, str]:
    """`PATH` ends with vLLM's own folder, where its environment has what it compiles with."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    path = os.pathsep.join(
        [kept.get("PATH", os.defpath), os.path.dirname(os.path.abspath(program))]
    )
    return kept | VARIABLES | {KEY: key, "PATH": path}
