"""OpenAI's shapes: what a text completion is asked, the older kind without messages."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from service.api.generation_request import MAX_CHOICES, GenerationRequest
from service.http.fields import UNSUPPORTED, only, whole

DEFAULT_TOKENS = 16  # OpenAI's
MAX_ALTERNATIVES = 5

Prompt = str | tuple[int, ...]


def _as_prompts(prompt: object) -> object:
    """One prompt or several, each a text or token ids, as a list of them."""
    if isinstance(prompt, str):
        return [whole(prompt)]
    if not isinstance(prompt, list):
        raise PydanticCustomError("prompt", "should be a text, token ids, or a list of them")
    if prompt and _are_token_ids(prompt):
        return [tuple(prompt)]
    return [_as_prompt(index, item) for index, item in enumerate(prompt)]


def _as_prompt(index: int, item: object) -> object:
    if isinstance(item, list) and _are_token_ids(item):
        item = tuple(item)
    if not isinstance(item, str | tuple):
        raise PydanticCustomError(
            "prompt", "Prompt {index} should be a text or a list of token ids", {"index": index}
        )
    if not item:
        raise PydanticCustomError(
            "prompt",
            "Prompt {index} should not be empty: a model needs something to go on from",
            {"index": index},
        )
    return whole(item) if isinstance(item, str) else item


def _are_token_ids(items: list[Any]) -> bool:
    return all(type(item) is int for item in items)


def _few_answers(prompts: list[Prompt], info: ValidationInfo) -> list[Prompt]:
    if (info.data.get("n") or 1) * len(prompts) > MAX_CHOICES:
        raise PydanticCustomError(
            "answers",
            "{prompts} prompts with {n} answers each are too many: {most} answers are the most",
            {"prompts": len(prompts), "n": info.data.get("n") or 1, "most": MAX_CHOICES},
        )
    return prompts


def _as_n(best_of: int | None, info: ValidationInfo) -> int | None:
    if best_of is not None and best_of != (info.data.get("n") or 1):
        raise PydanticCustomError(
            UNSUPPORTED, "Only n's own value is supported here (all answers are returned)"
        )
    return best_of


def _without_echo(logprobs: int | None, info: ValidationInfo) -> int | None:
    if logprobs is not None and info.data.get("echo"):
        raise PydanticCustomError(
            UNSUPPORTED,
            "Leave echo out: answers alone have log probabilities here",
        )
    return logprobs


class TextRequest(GenerationRequest):
    prompt: Annotated[
        list[Prompt],
        BeforeValidator(_as_prompts),
        Field(min_length=1),
        AfterValidator(_few_answers),
    ]
    best_of: Annotated[int | None, AfterValidator(_as_n)] = None
    echo: bool | None = None
    logprobs: Annotated[int | None, AfterValidator(_without_echo)] = Field(
        default=None, ge=0, le=MAX_ALTERNATIVES
    )
    suffix: Annotated[Any, only(None, "")] = None

    @property
    def num_alternatives(self) -> int | None:
        return self.logprobs
