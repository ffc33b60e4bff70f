"""OpenAI's shapes: the tools of a chat, and which of them is to be called."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from service.http.fields import UNSUPPORTED, Fields, Text, only

MAX_TOOLS = 128
CHOICES = ("none", "auto", "required")


class FunctionDefinition(Fields):
    name: str = Field(pattern=r"^[\w.-]{1,64}$")
    description: Text | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None  # for the decoder; the model is not told


class Tool(Fields):
    type: Annotated[Any, only("function")]
    function: FunctionDefinition

    @property
    def for_template(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True, exclude={"function": {"strict"}})


class FunctionName(Fields):
    name: Text


def _named(function: FunctionName | None, info: ValidationInfo) -> FunctionName | None:
    if function is None and info.data.get("type") == "function":
        raise PydanticCustomError("function", "is missing, and the type function needs it")
    return function


class ToolChoice(Fields):
    type: Literal["none", "auto", "required", "function"]
    function: Annotated[FunctionName | None, AfterValidator(_named)] = Field(
        default=None, validate_default=True
    )

    @property
    def is_forced(self) -> bool:
        return self.type in ("required", "function")


def _as_choice(choice: object) -> object:
    if isinstance(choice, dict):
        if choice.get("type") not in ("function", *CHOICES):
            raise PydanticCustomError(
                UNSUPPORTED,
                'Only {{"type": "function", …}} is supported here beside {choices}',
                {"choices": ", ".join(CHOICES)},
            )
        return choice
    if choice is not None and choice not in CHOICES:
        raise PydanticCustomError(
            "tool_choice",
            "should be {choices} or a function's name in an object",
            {"choices": ", ".join(CHOICES)},
        )
    return None if choice is None else {"type": choice}


def _among_tools(choice: ToolChoice | None, info: ValidationInfo) -> ToolChoice | None:
    if choice is None or not choice.is_forced or "tools" not in info.data:
        return choice
    names = [tool.function.name for tool in info.data["tools"] or ()]
    if not names:
        raise PydanticCustomError("tool_choice", "Leave it out unless tools are given")
    if choice.function is not None and choice.function.name not in names:
        raise PydanticCustomError(
            "tool_choice",
            "should name one of the tools: {names}",
            {"names": ", ".join(names)},
        )
    return choice


def _named_apart(tools: list[Tool] | None) -> list[Tool] | None:
    names = [tool.function.name for tool in tools or ()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PydanticCustomError(
            "tools", "should name each tool once, not {names} twice", {"names": twice[0]}
        )
    return tools


Tools = Annotated[list[Tool] | None, Field(max_length=MAX_TOOLS), AfterValidator(_named_apart)]
Choice = Annotated[ToolChoice | None, BeforeValidator(_as_choice), AfterValidator(_among_tools)]
