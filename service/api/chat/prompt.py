"""How a chat's prompt ends: where an answer begins, or within one that the client has begun."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from data.chat import ChatRenderer
from data.conversation import Message


def _of_an_answer(continued: bool | None, info: ValidationInfo) -> bool | None:
    messages = info.data.get("messages")
    if continued and messages and messages[-1].role != "assistant":
        raise PydanticCustomError(
            "continued", "Leave it out unless the last message is the assistant's"
        )
    if continued and info.data.get("add_generation_prompt"):
        raise PydanticCustomError("continued", "Leave it out where add_generation_prompt is true")
    return continued


Continued = Annotated[bool | None, AfterValidator(_of_an_answer)]


def goes_on(role: str, prompted: bool | None, continued: bool | None) -> bool:
    """Whether an answer continues the last message, which is of `role`.

    The assistant's is continued unless vLLM's fields `add_generation_prompt` or
    `continue_final_message` say otherwise.
    """
    if continued is not None:
        return continued
    return prompted is None and role == "assistant"


def prompt_ids(
    renderer: ChatRenderer,
    messages: Sequence[Message],
    tools: Sequence[Mapping[str, Any]],
    prompted: bool | None,
    continued: bool | None,
) -> tuple[int, ...]:
    """Raises TemplateError where the chat template cannot."""
    if goes_on(messages[-1].role, prompted, continued):
        return renderer.continued_ids(messages, tools)
    if prompted is False:
        return renderer.whole_ids(messages, tools)
    return renderer.prompt_ids(messages, tools)
