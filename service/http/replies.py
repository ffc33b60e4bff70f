"""What HTTP answer every error becomes, in OpenAI's shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from data.errors import MarkInText, TemplateError, ToolsLeftOut
from finetune.wrong_values import sentence
from service.errors import (
    TOO_LONG,
    AdapterNotFound,
    AnswerNotFound,
    BodyTooLarge,
    BodyTooSlow,
    DeadlineExceeded,
    DiskFull,
    EventNotFound,
    FeedbackNotFound,
    FileNotFound,
    InvalidKey,
    InvalidRequest,
    JobNotFound,
    JobRefused,
    LimitReached,
    NameTaken,
    NotAllowed,
    OfField,
    PathNotFound,
    RateLimited,
    ReportNotFound,
    ScopeMissing,
    ServiceError,
    StateUnavailable,
    Stopping,
    TrainingNow,
    UploadTooLarge,
)
from serving.errors import (
    AdapterGone,
    AdapterRefused,
    BiasRefused,
    BlendError,
    EngineAway,
    EngineBusy,
    ModelNotFound,
    PromptTooLong,
    SchemaRefused,
    ServingError,
)

from .fields import UNSUPPORTED

RETRY_AFTER = {"Retry-After": "1"}  # [seconds]
NO_RETRY = {"X-Should-Retry": "false"}  # to OpenAI's clients: it would take as long again
UNAVAILABLE = "Keys cannot be checked at the moment; the server's log says why. Try again later."
MAX_SHOWN = 60  # [characters] of a value in a message
EXPECTS = ("should be", "Only ")  # what was sent can follow such messages
OBJECT = "should be a JSON object"
WORDS = {  # that JSON has of its own
    **dict.fromkeys(("model_attributes_type", "model_type", "dict_type"), OBJECT),
    "string_type": "should be a string",
}
KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class ErrorDetail(BaseModel):
    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorBody(BaseModel):
    error: ErrorDetail


REFUSALS: dict[int | str, dict[str, Any]] = {  # for the routes' documentation
    "4XX": {"model": ErrorBody},
    "5XX": {"model": ErrorBody},
}


@dataclass(frozen=True, slots=True)
class Reply:
    """The HTTP answer to an error."""

    status: int
    message: str
    param: str | None = None
    code: str | None = None
    headers: Mapping[str, str] | None = None

    @property
    def body(self) -> ErrorBody:
        kind = KINDS.get(
            self.status, "server_error" if self.status >= 500 else "invalid_request_error"
        )
        return ErrorBody(
            error=ErrorDetail(message=self.message, type=kind, param=self.param, code=self.code)
        )

    @property
    def response(self) -> JSONResponse:
        return JSONResponse(self.body.model_dump(), self.status, self.headers)


def reply_to(error: Exception) -> Reply:
    """How an error is answered, by its type alone."""
    message = str(error)
    match error:
        case RequestValidationError():
            return _reply_to_faults(error.errors())
        case BodyTooLarge():
            return Reply(413, error.detail, code="body_too_large", headers=error.headers)
        case BodyTooSlow():
            return Reply(408, error.detail, code="body_too_slow", headers=error.headers)
        case HTTPException():
            return Reply(error.status_code, error.detail, headers=error.headers)
        case InvalidRequest():
            return Reply(400, message, error.param, error.code)
        case OfField():
            return replace(reply_to(error.error), param=error.field)
        case InvalidKey():
            return Reply(401, message, None, "invalid_api_key", {"WWW-Authenticate": "Bearer"})
        case ScopeMissing():
            return Reply(403, message, None, "insufficient_permissions")
        case RateLimited():
            return Reply(429, message, None, "rate_limit_exceeded", error.headers)
        case StateUnavailable():
            return Reply(503, UNAVAILABLE, None, "state_unavailable", RETRY_AFTER)
        case NotAllowed():
            return Reply(403, message, error.param, "not_allowed")
        case AdapterNotFound():
            return Reply(404, message, "lora_path", "adapter_not_found")
        case ReportNotFound():
            return Reply(404, message, "version", "report_not_found")
        case PathNotFound():
            return Reply(404, message)
        case FileNotFound():
            return Reply(404, message, "id", "file_not_found")
        case AnswerNotFound():
            return Reply(404, message, "completion_id")
        case FeedbackNotFound():
            return Reply(404, message, "feedback_id")
        case JobNotFound():
            return Reply(404, message, "fine_tune_id", "fine_tune_not_found")
        case EventNotFound():
            return Reply(404, message, "after", "event_not_found")
        case JobRefused():
            return Reply(400, message, code="job_status")
        case NameTaken():
            return Reply(400, message, "suffix", "name_taken")
        case LimitReached():
            return Reply(429, message, code="limit_reached", headers=NO_RETRY)
        case UploadTooLarge():
            return Reply(413, message, "file", "upload_too_large")
        case DiskFull():
            return Reply(507, message, code="disk_full")
        case ModelNotFound() | AdapterGone():
            return Reply(404, message, "model", "model_not_found")
        case BlendError():
            return Reply(400, message, "model")
        case AdapterRefused():
            return Reply(400, message, "model", "adapter_refused")
        case PromptTooLong():
            return Reply(400, message, "messages", TOO_LONG)
        case SchemaRefused():
            return Reply(400, message, "response_format")
        case BiasRefused():
            return Reply(400, message, "logit_bias")
        case ToolsLeftOut():
            return Reply(400, message, "tools", UNSUPPORTED)
        case MarkInText():
            return Reply(400, message, error.field, "template_mark")
        case TemplateError():
            return Reply(400, message, "messages")
        case EngineBusy():
            return Reply(429, message, code="engine_busy", headers=RETRY_AFTER)
        case DeadlineExceeded():
            return Reply(504, message, code="deadline_exceeded", headers=NO_RETRY)
        case EngineAway() | Stopping() | TrainingNow():
            return Reply(503, message, code="server_unavailable", headers=RETRY_AFTER)
        case ServingError():
            return Reply(500, message)
        case _:
            return Reply(500, "The server failed unexpectedly; its log says why.")


def answer_errors(app: FastAPI) -> None:
    """Let every error of every route be answered with OpenAI's error body.

    Unexpected ones are raised again by starlette, so that the server logs their traceback.
    """

    async def answer(request: Request, error: Exception) -> JSONResponse:
        reply = reply_to(error)
        if isinstance(error, HTTPException) and reply.code is None:
            reply = replace(reply, message=f"{reply.message}: {request.method} {request.url.path}")
        return reply.response

    for known in (
        HTTPException,
        RequestValidationError,
        ServiceError,
        ServingError,
        TemplateError,
        Exception,
    ):
        app.add_exception_handler(known, answer)


def _reply_to_faults(faults: Sequence[Mapping[str, Any]]) -> Reply:
    # A part that is not supported also lacks what the supported kind has: say the first alone.
    unsupported = [fault for fault in faults if fault["type"] == UNSUPPORTED]
    shown = unsupported or faults
    return Reply(
        400,
        "; ".join(_describe(fault) for fault in shown),
        _path(shown[0]) or None,
        UNSUPPORTED if unsupported else None,
    )


def _describe(fault: Mapping[str, Any]) -> str:
    if fault["type"] == "json_invalid":
        return f"The body is not valid JSON: {fault['ctx']['error']} at {fault['loc'][-1]}."
    path = _path(fault)
    message = WORDS.get(fault["type"]) or sentence(fault)
    if not path:
        return f"The body {message}. Send a JSON object with Content-Type: application/json."
    value = fault["input"]
    if not isinstance(value, str | int | float) or not message.startswith(EXPECTS):
        return f"{path}: {message}"
    return f"{path}: {message}, not {repr(value)[:MAX_SHOWN]}"


def _path(fault: Mapping[str, Any]) -> str:
    """The field as OpenAI writes it: messages[0].content."""
    if fault["type"] == "json_invalid":
        return ""
    keys = fault["loc"][1:]  # without "body"
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
