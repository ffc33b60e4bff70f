"""OpenAI's shapes: the form that an answer is to have."""

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from service.api.foreign_fields import check_foreign
from service.http.fields import Fields, Text

ANY_OBJECT = '{"type": "object"}'
BESIDE = ("schema", "value")  # the type: llama-server's, LoRAX's and SGLang's place, and TGI's


class JsonSchema(Fields):
    name: Text
    definition: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None  # schemas are always enforced


def _not_of_text(schema: object, info: ValidationInfo) -> object:
    if schema is not None and info.data.get("type") == "text":
        raise PydanticCustomError("schema", "Leave it out where the type is text")
    return schema


def _one_schema(schema: JsonSchema | None, info: ValidationInfo) -> JsonSchema | None:
    beside = info.data.get("beside")
    if schema is not None and beside is not None:
        raise PydanticCustomError("json_schema", "Leave it out: there is a schema beside the type")
    if schema is None and beside is None and info.data.get("type") == "json_schema":
        raise PydanticCustomError("json_schema", "is missing, and the type json_schema needs it")
    return schema


class ResponseFormat(Fields):
    type: Literal["text", "json_object", "json_schema"]
    beside: Annotated[dict[str, Any] | None, AfterValidator(_not_of_text)] = Field(
        default=None, validation_alias=AliasChoices(*BESIDE), serialization_alias="schema"
    )
    json_schema: Annotated[
        JsonSchema | None, AfterValidator(_not_of_text), AfterValidator(_one_schema)
    ] = Field(default=None, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _without_foreign_fields(cls, sent: Any) -> Any:
        check_foreign(sent, {*cls.model_fields, *BESIDE})
        return sent

    @property
    def is_forced(self) -> bool:
        """Whether answers are held to it."""
        return self.type != "text"

    @property
    def schema_text(self) -> str | None:
        """The schema as JSON; None for a text."""
        if not self.is_forced:
            return None
        schema = self.beside if self.json_schema is None else self.json_schema.definition
        return ANY_OBJECT if schema is None else json.dumps(schema)
