"""vLLM's shapes: texts and chats to be tokenized, and token ids to be made text."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from service.api.chat.message import Messages
from service.api.chat.prompt import Continued
from service.api.chat.tool_request import Tools
from service.api.foreign_fields import ADAPTERS, check_foreign
from service.http.fields import Fields, Text, only


class TokenizeRequest(Fields):
    model: Text | None = None  # the base
    prompt: Text | None = None
    messages: Messages | None = None
    tools: Tools = None
    add_special_tokens: bool | None = None  # of a prompt; a chat template writes its own
    add_generation_prompt: bool | None = None
    return_token_strs: Annotated[Any, only(None, False)] = None
    continue_final_message: Continued = None

    @model_validator(mode="before")
    @classmethod
    def _without_foreign_fields(cls, sent: Any) -> Any:
        check_foreign(sent, cls.model_fields, ADAPTERS)  # what constrains answers changes no prompt
        return sent

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise PydanticCustomError("text", "should have either a prompt or messages")
        return self


class DetokenizeRequest(Fields):
    model: Text | None = None  # all adapters have the base's tokens
    tokens: list[Annotated[int, Field(ge=0)]]
