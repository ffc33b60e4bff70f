"""What the service itself refuses; `http.replies` says what HTTP answers to it.

ServiceError
├── InvalidRequest     fields of a request contradict each other, or ask for what cannot be
├── InvalidKey         a request brings no key, or one that is not valid
├── ScopeMissing       a request's key may not do this
├── RateLimited        a request's key has used up what it has a minute
├── KeyRefused         a key cannot be made or found as asked
├── StateUnavailable   the database cannot be opened or does not answer
├── PortUnavailable    the address cannot be listened on
├── TlsRefused         certificate and key cannot be used
├── NotAllowed         the operator has not allowed it
├── AdapterNotFound    no adapter lies where a request says
├── ReportNotFound     an adapter version has no report
├── PathNotFound       no route has the path of a request
├── FileNotFound       there is no file of that id for the caller
├── JobNotFound        there is no fine-tuning job of that id for the caller
├── EventNotFound      a job has no event of that id
├── AnswerNotFound     no answer of that id is kept for the caller
├── FeedbackNotFound   there is no feedback of that id for the caller
├── JobRefused         a job's status does not allow what is asked
├── NameTaken          an adapter's name is, or is about to be, another key's
├── LimitReached       a request's key has as much of something as it may
├── UploadTooLarge     an upload is larger than the operator allows
├── DiskFull           the disk has no room for it
├── ServerRefused      the server a command talks to is not there, or answered with an error
└── OfField            what another error says, of the field that it is about

ModelGone is a ModelNotFound with words of its own. DeadlineExceeded, Stopping and TrainingNow are
ServingErrors: they end an answer as an engine's errors do.
BodyTooLarge and BodyTooSlow are HTTPExceptions: FastAPI lets no others out of reading a body.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from starlette.exceptions import HTTPException

from data.errors import TemplateError
from serving.errors import (
    AdapterRefused,
    BlendError,
    ModelNotFound,
    ServingError,
)

CLOSE = {"Connection": "close"}  # what is left of the body is not read
TOO_LONG = "context_length_exceeded"
MAX_SHOWN = 80  # [characters] of an id in a message


class ServiceError(Exception):
    """Base of every error in the service."""


class InvalidRequest(ServiceError):
    """A request contradicts itself or asks for what cannot be; `param` is the field to change."""

    def __init__(self, message: str, param: str, code: str | None = None) -> None:
        self.param = param
        self.code = code
        super().__init__(message)


class PortUnavailable(ServiceError):
    """The address cannot be listened on."""


class TlsRefused(ServiceError):
    """Certificate and key cannot be used."""


class InvalidKey(ServiceError):
    """A request brings no key, or one that is not valid."""


class ScopeMissing(ServiceError):
    """A request's key may not do this."""


class RateLimited(ServiceError):
    """A request's key has used up what it has a minute; `headers` say when to come again."""

    def __init__(self, message: str, headers: Mapping[str, str]) -> None:
        self.headers = headers
        super().__init__(message)


class KeyRefused(ServiceError):
    """A key cannot be made or found as asked."""


class StateUnavailable(ServiceError):
    """The database cannot be opened or does not answer."""


class NotAllowed(ServiceError):
    """The operator has not allowed it; the message names the setting."""

    def __init__(self, message: str, param: str | None = None) -> None:
        self.param = param
        super().__init__(message)


class AdapterNotFound(ServiceError):
    """No adapter lies where a request says."""


class ReportNotFound(ServiceError):
    """An adapter version has no report."""

    def __init__(self, version: str) -> None:
        super().__init__(
            f"{version} has no report: a training here writes one, and it goes with no upload, "
            "import or copy of an adapter's files."
        )


class PathNotFound(ServiceError):
    """No route has the path of a request; the message has one that it comes near."""


class FileNotFound(ServiceError):
    """There is no file of that id for the caller."""

    def __init__(self, file_id: str) -> None:
        super().__init__(f"No such File object: {file_id[:MAX_SHOWN]}")


class JobNotFound(ServiceError):
    """There is no fine-tuning job of that id for the caller."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"Could not find fine tune: {job_id[:MAX_SHOWN]}")


class AnswerNotFound(ServiceError):
    """No answer of that id is kept for the caller."""

    def __init__(self, answer_id: str) -> None:
        super().__init__(
            f"No stored completion: {answer_id[:MAX_SHOWN]}. An answer is stored where the request "
            "says store: true."
        )


class FeedbackNotFound(ServiceError):
    """There is no feedback of that id for the caller."""

    def __init__(self, item_id: str) -> None:
        super().__init__(f"No feedback: {item_id[:MAX_SHOWN]}")


class EventNotFound(ServiceError):
    """A job has no event of that id."""

    def __init__(self, event_id: str) -> None:
        super().__init__(f"There is no event {event_id[:MAX_SHOWN]!r} of this job.")


class JobRefused(ServiceError):
    """A job's status does not allow what is asked."""


class NameTaken(ServiceError):
    """An adapter's name is, or is about to be, another key's."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The name {name!r} is taken. Choose another one with suffix.")


class LimitReached(ServiceError):
    """A request's key has as much of something as it may; waiting a little does not help."""


class UploadTooLarge(ServiceError):
    """An upload is larger than the operator allows."""


class DiskFull(ServiceError):
    """The disk has no room for it."""


class ServerRefused(ServiceError):
    """The server that a command talks to is not there, or answered with an error."""


class OfField(ServiceError):
    """What another error says, of the field of a request that it is about."""

    def __init__(self, field: str, error: Exception) -> None:
        self.field = field
        self.error = error
        super().__init__(str(error))


@contextmanager
def said_of(field: str) -> Generator[None]:
    """Let what is wrong with a model be said of the field that names it. Raises OfField."""
    try:
        yield
    except (ModelNotFound, BlendError, AdapterRefused, TemplateError) as error:
        raise OfField(field, error) from error


class ModelGone(ModelNotFound):
    """A fine-tuned model that is not there yet, or no more."""

    def __init__(self, model: str, why: str) -> None:
        self.model = model
        ServingError.__init__(self, f"The model {model[:MAX_SHOWN]!r} does not exist. {why}")


class DeadlineExceeded(ServingError):
    """An answer took longer than it may."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"The answer was not complete after {seconds:g} seconds, which is as long as one may "
            "take here. Ask for fewer tokens, or when there is less to do."
        )


class Stopping(ServingError):
    """The server is to stop, and the time for running answers is over."""

    def __init__(self) -> None:
        super().__init__("The server had to stop before this answer was complete. Ask again.")


class TrainingNow(ServingError):
    """The engine has left memory to a job, and the time for running answers is over."""

    def __init__(self) -> None:
        super().__init__("The server trains at the moment. Ask again when the job is done.")


class BodyTooLarge(HTTPException):
    """A request's body is larger than the server takes."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            413, f"The body is too large: this server takes {limit} bytes here at most.", CLOSE
        )


class BodyTooSlow(HTTPException):
    """A request's body did not come in time."""

    def __init__(self, size: int) -> None:
        super().__init__(
            408,
            f"The body did not come in time: {size} bytes of it are here. Send it again.",
            CLOSE,
        )
