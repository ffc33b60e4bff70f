"""The servers that run on a home: each has an entry there from when it is ready until it stops."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from data.whole_file import whole_path

from .http.endpoints import HEALTH

logger = logging.getLogger(__name__)

FOLDER = "servers"  # below home
FOLDER_MODE = 0o755
MODE = 0o644  # everybody may read where a server is; its owner alone can say so
SERVICE = "lora-chat"  # what /health says of itself
PATIENCE = 10  # [seconds] for an answer: all cores may be at work


class RunningServer(BaseModel):
    """One entry."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    url: str  # by which this machine reaches it, without /v1
    process_id: int
    machine: str  # whose process that is: several may share a home
    base: str  # as `named_base` has it
    started: AwareDatetime
    runs_jobs: bool = True


class Announcement:
    """The entry of a server of this process."""

    def __init__(self, home: Path, base: str, *, runs_jobs: bool = True) -> None:
        self._path = home / FOLDER / f"{uuid4().hex}.json"
        self._base = named_base(base)
        self._runs_jobs = runs_jobs

    def make(self, url: str) -> None:
        """A home that cannot be written to keeps nobody from serving: the log says it."""
        entry = RunningServer(
            url=url,
            process_id=os.getpid(),
            machine=socket.gethostname(),
            base=self._base,
            started=datetime.now(UTC),
            runs_jobs=self._runs_jobs,
        )
        folder = self._path.parent
        try:
            folder.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
            _living(folder)
            _write(self._path, entry.model_dump_json())
        except OSError as error:
            logger.warning(
                "`lora-chat chat` finds this server with --url %s alone: %s cannot be written (%s)",
                url,
                folder,
                error.strerror,
            )

    def withdraw(self) -> None:
        with suppress(OSError):  # an entry that stays is known by its process to be old
            self._path.unlink(missing_ok=True)


def find_running(home: Path) -> list[RunningServer]:
    """Those on this machine that answer, the youngest first."""
    living = sorted(_living(home / FOLDER), key=lambda entry: entry.started, reverse=True)
    return [entry for entry in living if _answers(entry.url)]


def named_base(base: str) -> str:
    """A base's one name from every working directory: of files and folders, the whole path."""
    path = Path(base).expanduser()
    return str(path.resolve()) if path.exists() else base


def _write(path: Path, text: str) -> None:
    """Whoever reads meanwhile finds all of it or nothing."""
    with whole_path(path) as temporary:
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
        with open(file, "w", encoding="utf-8") as opened:
            opened.write(text)


def _living(folder: Path) -> list[RunningServer]:
    """Those whose processes run on this machine; what killed ones have left is removed."""
    living: list[RunningServer] = []
    for path, entry in _entries(folder):
        if entry.machine != socket.gethostname():
            continue  # its process cannot be seen from here, and its address may mean another
        if _runs(entry.process_id):
            living.append(entry)
        else:
            with suppress(OSError):
                path.unlink(missing_ok=True)
    return living


def _entries(folder: Path) -> Iterator[tuple[Path, RunningServer]]:
    for path in sorted(folder.glob("*.json")):
        try:
            yield path, RunningServer.model_validate_json(path.read_bytes())
        except OSError:
            continue  # its server has just stopped, or it is not for us to read
        except ValidationError:
            logger.warning("%s is no entry of a server and can be removed.", path)


def _runs(process_id: int) -> bool:
    try:
        return psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return True
    except (psutil.NoSuchProcess, ValueError):  # no process has such a number
        return False


def _answers(url: str) -> bool:
    """Whether lora-chat is there. Nothing secret is sent, so any certificate will do."""
    try:
        asked = f"{url}{HEALTH.path}"
        answer = httpx.get(asked, timeout=PATIENCE, verify=False, trust_env=False).json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        answer = None
    if isinstance(answer, dict) and answer.get("service") == SERVICE:
        return True
    logger.info("No lora-chat answers at %s, where one is said to run.", url)
    return False
