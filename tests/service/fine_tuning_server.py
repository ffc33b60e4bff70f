"""A server with a fine-tuning API that does as it is told, and keeps what it was sent."""

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

DONE = "[DONE]"
Told = dict[str, Any] | str


def event(number: int, message: str = "", **data: Any) -> dict[str, Any]:
    told = {"id": f"ftevent-{number}", "created_at": 1_000 + number, "level": "info"}
    return told | {"message": message, "data": data or None}


def step(number: int, total: int, **data: Any) -> dict[str, Any]:
    losses = {"step": number, "total_steps": total, "train_loss": 2.5, **data}
    return event(number, f"Step {number}/{total}", **losses)


@dataclass
class FakeFineTuning:
    """`connections` are what each connection for events is sent, one after the other; a number is
    a status instead."""

    connections: Sequence[Sequence[Told] | int] = ((DONE,),)
    status: str = "succeeded"  # of the job
    error: str | None = None  # why it has failed
    file: Sequence[str] = ("processed",)  # its status, each time that it is asked for
    details: str | None = None  # of a faulty file
    key: str | None = None
    sent: list[tuple[str | None, bytes, Any]] = field(default_factory=list[Any])
    wanted: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    after: list[str | None] = field(default_factory=list[str | None])

    def build(self) -> FastAPI:
        app = FastAPI()
        checks = iter(self.file)
        connections = iter(self.connections)

        @app.middleware("http")
        async def check_key(request: Request, go_on: Any) -> Response:
            given = request.headers.get("authorization")
            if self.key is not None and given != f"Bearer {self.key}":
                return JSONResponse({"error": {"message": "This key is not valid here."}}, 401)
            return await go_on(request)

        @app.get("/v1/models")
        def list_models() -> Any:
            return {"data": [{"id": "tcm", "parent": "small"}, {"id": "small"}]}

        @app.post("/v1/files")
        async def upload(request: Request) -> Any:
            async with request.form() as form:
                file = form["file"]
                assert not isinstance(file, str)
                self.sent.append((file.filename, await file.read(), form["purpose"]))
            return self._file(next(checks))

        @app.get("/v1/files/{file_id}")
        def find_file(file_id: str) -> Any:
            return self._file(next(checks), file_id)

        @app.post("/v1/fine_tuning/jobs")
        async def create(request: Request) -> Any:
            self.wanted.append(await request.json())
            return self._job("validating_files")

        @app.get("/v1/fine_tuning/jobs/{job_id}")
        def find(job_id: str) -> Any:
            if job_id != "ftjob-1":
                return JSONResponse({"error": {"message": f"No such job: {job_id}"}}, 404)
            return self._job(self.status)

        @app.get("/v1/fine_tuning/jobs/{job_id}/events")
        def list_events(stream: bool, after: str | None = None) -> Response:
            assert stream
            self.after.append(after)
            told = next(connections)
            if isinstance(told, int):
                return JSONResponse({"error": {"message": "Not now."}}, told)
            return StreamingResponse(_stream(told), media_type="text/event-stream")

        _ = (check_key, list_models, upload, find_file, create, find, list_events)
        return app

    def _file(self, status: str, file_id: str = "file-1") -> dict[str, Any]:
        return {"id": file_id, "status": status, "status_details": self.details}

    def _job(self, status: str) -> dict[str, Any]:
        error = self.error and {"code": "any", "message": self.error, "param": None}
        model = "tcm@4" if status == "succeeded" else None
        return {"id": "ftjob-1", "status": status, "fine_tuned_model": model, "error": error}


async def _stream(told: Sequence[Told]) -> AsyncGenerator[str]:
    for each in told:
        yield f"data: {each if isinstance(each, str) else json.dumps(each)}\n\n"
