"""A request in vLLM's words.

Each field of our sampling has its own there. Text is made of token ids here, and stop strings are
looked for in it, so that an answer is cut where other engines cut it; tokens that end an answer
are the chat template's, whatever the server's own defaults are.
"""

import json
from typing import Any

from serving.engine import Request
from serving.errors import SchemaRefused

TOKEN_ID = "token_id:"


def body_of(request: Request, model: str) -> dict[str, Any]:
    """A completion's body, for a server that knows the request's blend by the name `model`.

    Raises SchemaRefused.
    """
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": model,
        "prompt": [*request.prompt_ids],
        "add_special_tokens": False,
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repetition_penalty": sampling.repetition_penalty,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "ignore_eos": True,
        "stop_token_ids": [] if sampling.ignore_eos else [*request.end_ids],
        "return_token_ids": True,
    }
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.logit_bias:
        body["logit_bias"] = {str(token_id): bias for token_id, bias in sampling.logit_bias}
    if sampling.top_logprobs is not None:
        body |= {"logprobs": sampling.top_logprobs, "return_tokens_as_token_ids": True}
    if sampling.json_schema is not None:
        body["structured_outputs"] = {"json": _schema(sampling.json_schema)}
    return body


def id_of(token: str) -> int:
    """The id of a token that is told as one."""
    return int(token.removeprefix(TOKEN_ID))


def _schema(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise SchemaRefused(f"The JSON schema cannot be read: {error}") from error
