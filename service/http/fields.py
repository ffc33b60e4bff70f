"""What the fields of a request may hold.

Unknown fields are let through, because clients send many. Known fields that ask for something
this server cannot do are refused by name.
"""

import json
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError

UNSUPPORTED = "unsupported_parameter"


class Fields(BaseModel):
    """What a client sends, or a part of it."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


def only(*values: object, advice: str = "") -> AfterValidator:
    """Accept the values that ask for nothing special, refuse every other."""
    shown = " or ".join(json.dumps(value) for value in values)

    def check(value: object) -> object:
        if not any(type(value) is type(known) and value == known for known in values):
            raise PydanticCustomError(
                UNSUPPORTED,
                "Only {shown} is supported here{advice}",
                {"shown": shown, "advice": advice and f" ({advice})"},
            )
        return value

    return AfterValidator(check)


def only_with(switch: str) -> AfterValidator:
    """Refuse a field that means something only where the field `switch`, above it, is true."""

    def check(value: object, info: ValidationInfo) -> object:
        if value and not info.data.get(switch):
            raise PydanticCustomError(
                "only_with", "Leave it out unless {switch} is true", {"switch": switch}
            )
        return value

    return AfterValidator(check)


def as_list(value: object) -> object:
    """One text stands for a list of it."""
    return [value] if isinstance(value, str) else value


def whole(text: str) -> str:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise PydanticCustomError("surrogate", "should not hold half a surrogate pair")
    return text


Text = Annotated[str, AfterValidator(whole)]
Metadata = Annotated[
    dict[Annotated[Text, Field(max_length=64)], Annotated[Text, Field(max_length=512)]],
    Field(max_length=16),
]
