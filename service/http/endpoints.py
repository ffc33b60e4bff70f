"""Every endpoint there is: its path, who may ask it, and how a request for it is treated.

Routes take their paths from here, and whatever stands before them its rules.
"""

from dataclasses import dataclass
from functools import cache
from re import Pattern
from typing import Literal

from service.accounts.caller import Scope

Method = Literal["GET", "POST", "PATCH", "DELETE"]
Need = Literal["nothing", "key"] | Scope
Body = Literal["json", "upload", "file"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    method: Method
    path: str  # as routes write it: {name} is one part of it, {name:path} all that follows
    needs: Need = "admin"
    generates: bool = False  # tokens, which keys have only so many of
    body: Body = "json"  # uploads of adapters and of files may be larger
    is_probe: bool = False  # asked every few seconds, and answered while the gate is closed

    @property
    def needs_engine(self) -> bool:
        """Whether it has nothing to say while the engine is away."""
        return self.generates or self.needs == "admin"


HEALTH = Endpoint("GET", "/health", "nothing", is_probe=True)
READY = Endpoint("GET", "/ready", "nothing", is_probe=True)
METRICS = Endpoint("GET", "/metrics", "key", is_probe=True)
DOCS = Endpoint("GET", "/docs", "chat")
OPENAPI = Endpoint("GET", "/openapi.json", "chat")
PAGE = Endpoint("GET", "/", "nothing")  # it asks for the key that the API needs
PAGE_PART = Endpoint("GET", "/web/{part:path}", "nothing")
DESCRIBE_CALLER = Endpoint("GET", "/v1/me", "key")

CHAT = Endpoint("POST", "/v1/chat/completions", "chat", generates=True)
LIST_ANSWERS = Endpoint("GET", "/v1/chat/completions", "chat")
FIND_ANSWER = Endpoint("GET", "/v1/chat/completions/{completion_id}", "chat")
MARK_ANSWER = Endpoint("POST", "/v1/chat/completions/{completion_id}", "chat")
REMOVE_ANSWER = Endpoint("DELETE", "/v1/chat/completions/{completion_id}", "chat")
LIST_ANSWER_MESSAGES = Endpoint("GET", "/v1/chat/completions/{completion_id}/messages", "chat")
GIVE_FEEDBACK = Endpoint("POST", "/v1/feedback", "chat")
LIST_FEEDBACK = Endpoint("GET", "/v1/feedback", "chat")
LIST_FEEDBACK_TOPICS = Endpoint("GET", "/v1/feedback/topics", "chat")
FIND_FEEDBACK = Endpoint("GET", "/v1/feedback/{feedback_id}", "chat")
CHANGE_FEEDBACK = Endpoint("PATCH", "/v1/feedback/{feedback_id}", "chat")
REMOVE_FEEDBACK = Endpoint("DELETE", "/v1/feedback/{feedback_id}", "chat")
REVIEW_FEEDBACK = Endpoint("POST", "/v1/feedback/{feedback_id}/review")
COMPLETE = Endpoint("POST", "/v1/completions", "chat", generates=True)
TOKENIZE = Endpoint("POST", "/tokenize", "chat")
DETOKENIZE = Endpoint("POST", "/detokenize", "chat")

LIST_MODELS = Endpoint("GET", "/v1/models", "chat")
LIST_MODELS_TOO = Endpoint("GET", "/v1/models/", "chat")  # would be a model without a name
FIND_MODEL = Endpoint("GET", "/v1/models/{model:path}", "chat")
DELETE_MODEL = Endpoint("DELETE", "/v1/models/{model:path}")

LIST_ADAPTERS = Endpoint("GET", "/v1/adapters", "chat")
UPLOAD_ADAPTER = Endpoint("POST", "/v1/adapters", body="upload")
FIND_ADAPTER = Endpoint("GET", "/v1/adapters/{name}", "chat")
PROMOTE_ADAPTER = Endpoint("POST", "/v1/adapters/{name}/promote")
ROLL_BACK_ADAPTER = Endpoint("POST", "/v1/adapters/{name}/rollback")
SHARE_ADAPTER = Endpoint("POST", "/v1/adapters/{name}/share")
IMPROVE_ADAPTER = Endpoint("POST", "/v1/adapters/{name}/improve")
FIND_IMPROVEMENT = Endpoint("GET", "/v1/adapters/{name}/improve")
READ_LEDGER = Endpoint("GET", "/v1/adapters/{name}/ledger")
REMOVE_ADAPTER = Endpoint("DELETE", "/v1/adapters/{reference}")
READ_REPORT = Endpoint("GET", "/v1/adapters/{name}/versions/{version}/report", "train")
EXPORT_VERSION = Endpoint("GET", "/v1/adapters/{name}/versions/{version}/export")
VERIFY_VERSION = Endpoint("GET", "/v1/adapters/{name}/versions/{version}/verify", "chat")
LIST_ENGINES = Endpoint("GET", "/v1/engines")
DRAIN_ENGINE = Endpoint("POST", "/v1/engines/drain")
UNDRAIN_ENGINE = Endpoint("POST", "/v1/engines/undrain")
DESCRIBE_MACHINE = Endpoint("GET", "/v1/machine", "train")

CREATE_JOB = Endpoint("POST", "/v1/fine_tuning/jobs", "train")
LIST_JOBS = Endpoint("GET", "/v1/fine_tuning/jobs", "train")
FIND_JOB = Endpoint("GET", "/v1/fine_tuning/jobs/{job_id}", "train")
CANCEL_JOB = Endpoint("POST", "/v1/fine_tuning/jobs/{job_id}/cancel", "train")
PAUSE_JOB = Endpoint("POST", "/v1/fine_tuning/jobs/{job_id}/pause", "train")
RESUME_JOB = Endpoint("POST", "/v1/fine_tuning/jobs/{job_id}/resume", "train")
FINISH_JOB = Endpoint("POST", "/v1/fine_tuning/jobs/{job_id}/finish", "train")
LIST_JOB_EVENTS = Endpoint("GET", "/v1/fine_tuning/jobs/{job_id}/events", "train")
LIST_CHECKPOINTS = Endpoint("GET", "/v1/fine_tuning/jobs/{job_id}/checkpoints", "train")

LIST_FILES = Endpoint("GET", "/v1/files", "train")
UPLOAD_FILE = Endpoint("POST", "/v1/files", "train", body="file")
FIND_FILE = Endpoint("GET", "/v1/files/{file_id}", "train")
REMOVE_FILE = Endpoint("DELETE", "/v1/files/{file_id}", "train")
READ_FILE = Endpoint("GET", "/v1/files/{file_id}/content", "train")
CHECK_FILE = Endpoint("GET", "/v1/files/{file_id}/check", "train")

LOAD_LORA = Endpoint("POST", "/v1/load_lora_adapter")
UNLOAD_LORA = Endpoint("POST", "/v1/unload_lora_adapter")
LIST_LORAS = Endpoint("GET", "/lora-adapters", "chat")
SET_SCALES = Endpoint("POST", "/lora-adapters")

ENDPOINTS = tuple(each for each in tuple(globals().values()) if isinstance(each, Endpoint))
EXACT = {(each.method, each.path): each for each in ENDPOINTS if "{" not in each.path}
NONE = Endpoint("GET", "")  # stands for every path and method that no endpoint has


def root_of(url: str) -> str:
    """A server's URL as the paths go on from it, whether people end it with a slash or /v1."""
    return url.rstrip("/").removesuffix("/v1")


def find_endpoint(method: str, path: str) -> Endpoint:
    """The one that a request is for; `NONE` where there is none."""
    asked = "GET" if method == "HEAD" else method
    exact = EXACT.get((asked, path))
    if exact is not None:
        return exact
    below = (each for each in ENDPOINTS if each.method == asked and "{" in each.path)
    return next((each for each in below if _pattern(each.path).fullmatch(path)), NONE)


@cache
def _pattern(template: str) -> Pattern[str]:
    from starlette.routing import compile_path

    return compile_path(template)[0]
