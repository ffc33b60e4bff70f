"""What can go wrong between a model's name and its tokens.

ServingError
├── ModelNotFound       no adapter or version has this name
├── BlendError          the notation is wrong, or the adapters cannot be blended
├── AdapterRefused      the adapter's files are damaged, foreign or of a kind we cannot share
│   └── AdapterGone     they were removed between being found and being read
├── PromptTooLong       prompt and answer do not fit the base's context
├── SchemaRefused       the JSON schema of an answer is wrong or of a kind we cannot enforce
├── BiasRefused         a logit bias names a token that the base does not have
├── EngineBusy          the queue of waiting requests is full
├── QuantizationFailed  a base cannot be written in another quantization
├── EngineUnsupported   the base is of an architecture this engine does not run
└── EngineFailed        a step raised, or the engine has stopped
    └── EngineAway      none of the servers that compute takes requests at the moment
"""

from pathlib import Path

from data.wording import _
from finetune.errors import AdapterFault

from .nearest import nearest

MAX_NAMED = 20  # adapters in a message
MAX_SHOWN = 100  # [characters] of a name in one


class ServingError(Exception):
    """Base of every error in serving."""


class ModelNotFound(ServingError):
    """No adapter or version has this name."""

    def __init__(self, model: str, known: list[str], base: str | None = None) -> None:
        """`base`: its name, where that may have been meant, too."""
        self.model = model
        shown = model if len(model) <= MAX_SHOWN else f"{model[:MAX_SHOWN]}…"
        near = nearest(model, known if base is None else [*known, base])
        meant = _(" Did you mean {name!r}?").format(name=near) if near is not None else ""
        told = _("The model {name!r} does not exist.{meant} Adapters here: {names}.")
        super().__init__(told.format(name=shown, meant=meant, names=_listed(known)))


def _listed(names: list[str]) -> str:
    listed = ", ".join(names[:MAX_NAMED])
    if len(names) > MAX_NAMED:
        told = _("{things} and {count} more")
        return told.format(things=listed, count=len(names) - MAX_NAMED)
    return listed or _("none yet")


class BlendError(ServingError):
    """The notation is wrong, or the adapters cannot be blended."""


class AdapterRefused(AdapterFault, ServingError):
    """The adapter's files are damaged, foreign or of a kind we cannot share."""

    @classmethod
    def of(cls, error: AdapterFault | OSError, adapter: object) -> "AdapterRefused":
        """The same by a name: where the files lie is no client's business."""
        if isinstance(error, FileNotFoundError) or _is_gone(error):
            return AdapterGone("was removed while it was asked for.", adapter)
        if isinstance(error, OSError):
            return cls(f"cannot be read: {error.strerror}.", adapter)
        return cls(error.problem, None if error.adapter is None else adapter, error.file)


def _is_gone(error: AdapterFault | OSError) -> bool:
    """Whether the folder that a fault was found in has been removed meanwhile."""
    folder = error.adapter if isinstance(error, AdapterFault) else None
    return isinstance(folder, Path) and not folder.exists()


class AdapterGone(AdapterRefused):
    """The adapter's files were removed between being found and being read, as a job's checkpoint is
    when a newer one takes its place."""


class PromptTooLong(ServingError):
    """Prompt and answer do not fit the base's context.

    The message begins as OpenAI's does, because clients such as litellm know it by its words.
    """

    def __init__(self, prompt_tokens: int, max_tokens: int, context: int) -> None:
        self.prompt_tokens = prompt_tokens
        self.context = context
        super().__init__(
            f"This model's maximum context length is {context} tokens; the request has "
            f"{prompt_tokens} prompt tokens and asks for up to {max_tokens} more. Shorten one of "
            "them."
        )


class SchemaRefused(ServingError):
    """The JSON schema of an answer is wrong or of a kind we cannot enforce."""


class BiasRefused(ServingError):
    """A logit bias names a token that the base does not have."""

    def __init__(self, token_id: int, vocab_size: int) -> None:
        super().__init__(
            f"The base has no token {token_id}: its token ids end at {vocab_size - 1}."
        )


class EngineBusy(ServingError):
    """The queue of waiting requests is full."""


class QuantizationFailed(ServingError):
    """A base cannot be written in another quantization."""


class EngineUnsupported(ServingError):
    """The base is of an architecture this engine does not run."""


class EngineFailed(ServingError):
    """A step raised, or the engine has stopped."""


class EngineAway(EngineFailed):
    """None of the servers that compute takes requests at the moment."""
