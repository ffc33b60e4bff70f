"""OpenAI's shapes: what is told of stored completions."""

from typing import Any, Literal, Self

from pydantic import BaseModel

from service.api.protocol import Listed, Page
from service.feedback.stored_answer import StoredAnswer
from service.http.fields import Fields, Metadata


class StoredCompletion(Listed):
    """A chat completion and what it was asked with; what was not given is null."""

    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    system_fingerprint: str
    choices: list[dict[str, Any]]
    usage: dict[str, Any]
    metadata: dict[str, str] | None
    input_user: str | None
    seed: int | None
    temperature: float
    top_p: float
    presence_penalty: float
    frequency_penalty: float
    tools: list[dict[str, Any]] | None
    tool_choice: str | dict[str, Any] | None
    response_format: dict[str, Any] | None
    service_tier: Literal["default"] = "default"

    @classmethod
    def of(cls, answer: StoredAnswer) -> Self:
        choice = answer.asked.get("tool_choice")
        return cls(
            id=answer.id,
            created=answer.created,
            model=answer.model,
            system_fingerprint=answer.pinned,
            choices=answer.choices,
            usage=answer.usage,
            metadata=answer.metadata,
            input_user=answer.user,
            **{name: answer.sampling[name] for name in SAMPLED},
            tools=answer.asked.get("tools"),
            tool_choice=choice and (choice if "function" in choice else choice["type"]),
            response_format=answer.asked.get("response_format"),
        )


SAMPLED = ("seed", "temperature", "top_p", "presence_penalty", "frequency_penalty")


class StoredList(Page[StoredCompletion]):
    pass


class StoredMessage(Listed):
    """One of the messages that were asked."""

    role: str
    content: str | None
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    content_parts: None = None


class StoredMessages(Page[StoredMessage]):
    pass


class StoredRemoved(BaseModel):
    id: str
    object: Literal["chat.completion.deleted"] = "chat.completion.deleted"
    deleted: Literal[True] = True


class NewMetadata(Fields):
    metadata: Metadata | None
