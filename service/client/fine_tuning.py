"""A server's fine-tuning as a command sees it: files sent, jobs made, their events as they come."""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict, Field

from data.wording import _
from service.errors import ServerRefused
from service.http.endpoints import (
    CREATE_JOB,
    FIND_FILE,
    FIND_JOB,
    LIST_JOB_EVENTS,
    UPLOAD_FILE,
    Endpoint,
)

from .server import Server, check
from .stream import DONE, EventParser

PURPOSE = "fine-tune"
CHECKED = 0.5  # [seconds] from one look at a file that is being checked to the next
SILENCE = httpx.Timeout(60, connect=10)  # of a stream, until it is asked for again
STREAM = "text/event-stream"
AGAIN = 1.0  # [seconds] from one try to reach the server to the next
PATIENCE = 300.0  # [seconds]


class _Said(BaseModel):
    """What is known is read, the rest is let be."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class RemoteFile(_Said):
    id: str
    status: str
    status_details: str | None = None  # what is wrong with it


class RemoteError(_Said):
    message: str


class RemoteJob(_Said):
    id: str
    status: str
    fine_tuned_model: str | None = None
    error: RemoteError | None = None


class RemoteEvent(_Said):
    id: str
    created: int = Field(alias="created_at")
    level: str
    message: str
    data: dict[str, Any] | None = None


class FineTuningServer(Server):
    """Every method raises ServerRefused."""

    option = "--server"

    def base(self) -> str:
        """The model that it serves adapters on."""
        bases = (model.id for model in self.models() if model.parent is None)
        if (found := next(bases, None)) is None:
            raise ServerRefused(_("The server has no model that you may use."))
        return found

    def send(self, path: Path, wait: Callable[[float], None] = time.sleep) -> RemoteFile:
        """Bring a file; returns when it has been checked. What is wrong with it raises, too."""
        with self._errors(), path.open("rb") as content:
            form, files = {"purpose": PURPOSE}, {"file": (path.name, content)}
            file = self._file(self._client.post(UPLOAD_FILE.path, data=form, files=files))
            while file.status == "uploaded":
                wait(CHECKED)
                file = self._file(self._client.get(FIND_FILE.path.format(file_id=file.id)))
        if file.status == "error":
            raise ServerRefused(file.status_details or _("The server cannot read the file."))
        return file

    def create(self, wanted: Mapping[str, Any]) -> RemoteJob:
        with self._errors():
            return self._job(self._client.post(CREATE_JOB.path, json=wanted))

    def find(self, job_id: str) -> RemoteJob:
        with self._errors():
            return self._job(self._client.get(_of_job(FIND_JOB, job_id)))

    def events(
        self,
        job_id: str,
        wait: Callable[[float], None] = time.sleep,
        patience: float = PATIENCE,
    ) -> Generator[RemoteEvent]:
        """A job's events as they come, until it has ended, however often the connection breaks or
        the server starts anew; but it may not be away for longer than `patience` [seconds]."""
        last: str | None = None
        reached = time.monotonic()
        while True:
            try:
                for event in self._stream(job_id, last):
                    if event is None:
                        return
                    last, reached = event.id, time.monotonic()
                    yield event
            except httpx.HTTPError as error:
                if time.monotonic() - reached > patience:
                    with self._errors():
                        raise error
            wait(AGAIN)

    def _stream(self, job_id: str, after: str | None) -> Generator[RemoteEvent | None]:
        """The events after one, until the connection ends; None once the job has ended. Raises
        HTTPError where asking again may help."""
        query = {"stream": "true"} | ({} if after is None else {"after": after})
        request = self._client.build_request(
            "GET", _of_job(LIST_JOB_EVENTS, job_id), params=query, timeout=SILENCE
        )
        with closing(self._client.send(request, stream=True)) as response:
            if response.is_server_error:
                response.raise_for_status()
            self._check_stream(response)
            parser = EventParser()
            for received in response.iter_bytes():
                for data in parser.feed(received):
                    yield self._event(data)

    def _check_stream(self, response: httpx.Response) -> None:
        with self._errors():
            if response.is_error:
                response.read()
            check(response)
            if not response.headers.get("content-type", "").startswith(STREAM):
                raise ValueError(STREAM)

    def _event(self, data: str) -> RemoteEvent | None:
        with self._errors():
            return None if data == DONE else RemoteEvent.model_validate_json(data)

    def _file(self, response: httpx.Response) -> RemoteFile:
        check(response)
        return RemoteFile.model_validate(response.json())

    def _job(self, response: httpx.Response) -> RemoteJob:
        check(response)
        return RemoteJob.model_validate(response.json())


def _of_job(endpoint: Endpoint, job_id: str) -> str:
    return endpoint.path.format(job_id=quote(job_id, safe=""))
