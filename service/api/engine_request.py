"""What a client asks, as the engine takes it: its own fields first, then its adapters' defaults."""

from dataclasses import replace
from typing import Any

from finetune.adapters.card import SamplingDefaults
from service.errors import InvalidRequest
from service.models import ResolvedModel
from service.settings import ServiceSettings
from serving.engine import Engine, Request, Sampling

from .generation_request import GenerationRequest

SAMPLING_FIELDS = {
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "ignore_eos",
}


class EngineRequests:
    """Writes requests to one engine, within what its context and the settings leave."""

    def __init__(self, engine: Engine, settings: ServiceSettings) -> None:
        self._engine = engine
        self._most_choices = settings.max_choices
        self._most_tokens = settings.max_output_tokens

    def write(
        self,
        request_id: str,
        asked: GenerationRequest,
        model: ResolvedModel,
        prompt_ids: tuple[int, ...],
        limit: int,
    ) -> Request:
        """`limit` is an answer's length where neither the request nor its adapters say one.

        Raises InvalidRequest for more answers than a request may have.
        """
        if asked.num_choices > self._most_choices:
            raise InvalidRequest(
                f"n: this server gives {self._most_choices} answers a request at most.", "n"
            )
        # At least one token, so that the engine refuses a prompt which leaves no room at all.
        room = max(1, self._engine.context_length - len(prompt_ids))
        usual = room if asked.has_no_limit else model.sampling.max_tokens or limit
        limit = min(usual, room, self._most_tokens or room)
        return Request(
            id=request_id,
            prompt_ids=prompt_ids,
            end_ids=model.renderer.end_ids,
            blend=model.blend,
            sampling=_sampling(asked, model.sampling, limit),
        )


def _sampling(asked: GenerationRequest, defaults: SamplingDefaults, limit: int) -> Sampling:
    own = asked.model_dump(include=SAMPLING_FIELDS, exclude_none=True)
    chosen: dict[str, Any] = defaults.model_dump(exclude_none=True) | own
    chosen["max_tokens"] = asked.token_limit or limit
    chosen["stop"] = tuple(asked.stop or ())
    chosen["logit_bias"] = asked.biases
    chosen["top_logprobs"] = asked.num_alternatives
    chosen["json_schema"] = asked.json_schema
    return replace(Sampling(), **chosen)
