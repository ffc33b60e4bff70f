"""Chat requests become jobs for the engine."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from typing import Any

from data.chat import ChatRenderer
from data.conversation import Message, places_of
from data.writing.chat_template import Tools
from service.accounts.caller import current_caller
from service.answering.answering import Answering
from service.answering.job import AnswerJob, split
from service.api.engine_request import EngineRequests
from service.api.generation import Generation, Prepared
from service.api.labels import new_labels
from service.api.protocol import ChatCompletion, Choice
from service.errors import InvalidRequest, said_of
from service.feedback.keeping import Keeping
from service.feedback.stored_answer import StoredAnswer
from service.http.fields import UNSUPPORTED
from service.models import Models, ResolvedModel
from service.settings import ServiceSettings
from serving.engine import Sampling

from .answers import ChatAnswers
from .call_formats import format_of
from .call_reader import CallReader, ForcedReader, Reader
from .message import conversation_of
from .prompt import prompt_ids
from .request import ChatRequest

log = logging.getLogger(__name__)

# What is kept of how an answer was asked for.
FORM_FIELDS = {
    *("tools", "tool_choice", "parallel_tool_calls", "response_format"),
    *("continue_final_message", "add_generation_prompt"),
}


class ChatCompletions(Generation[ChatRequest, ChatCompletion]):
    """Answers chat requests."""

    def __init__(
        self,
        answering: Answering,
        requests: EngineRequests,
        models: Models,
        settings: ServiceSettings,
        keeping: Keeping,
    ) -> None:
        super().__init__(answering, requests, models, settings)
        self._keeping = keeping

    def prepare(self, asked: ChatRequest) -> Prepared[ChatCompletion]:
        with said_of(asked.adapters_field):
            model = self._models.resolve(asked.model, asked.loras, asked.first_said)
        said = conversation_of(asked.messages, model.system)
        messages = self._disclaimers.taken_off(said, model)
        tools = [tool.for_template for tool in asked.offered_tools]
        prompt = prompt_ids(
            model.renderer,
            messages,
            tools,
            asked.add_generation_prompt,
            asked.continue_final_message,
        )
        _say_defused(model.renderer, messages, tools)
        ending = self._disclaimers.ending(model) if asked.json_schema is None else ""
        labels = new_labels("chatcmpl", asked.model, model, ending)
        request = self._requests.write(
            labels.id, asked, model, prompt, self._settings.default_max_tokens
        )
        reader = _reader_of(asked, model.renderer.template)
        job = AnswerJob(
            split(request, asked.num_choices),
            asked.num_choices,
            prompt_field="messages",
            schema_field="tools" if asked.forces_calls else "response_format",
            limit_field=asked.limit_field,
        )
        answers = ChatAnswers(asked, labels, request, self._names, reader)
        if not self._keeping.wants(asked.store, current_caller.get()):
            return job, answers, None
        sent = _as_sent(asked, messages)
        return job, answers, partial(self._keep, asked, sent, model, request.sampling, ending)

    def _keep(
        self,
        asked: ChatRequest,
        messages: list[dict[str, Any]],
        model: ResolvedModel,
        sampling: Sampling,
        ending: str,
        completion: ChatCompletion,
    ) -> None:
        template = model.renderer.template.encode()
        self._keeping.keep(
            StoredAnswer(
                id=completion.id,
                key_id=current_caller.get().owner,
                place=self._keeping.place,
                created=completion.created,
                model=asked.model,
                pinned=model.pinned,
                base=self._models.base_id,
                template=sha256(template).hexdigest(),
                user=(asked.user or asked.safety_identifier or "").replace("\0", "") or None,
                messages=messages,
                asked=asked.model_dump(include=FORM_FIELDS, exclude_none=True, by_alias=True),
                sampling=asdict(sampling),
                choices=[_as_stored(choice, ending) for choice in completion.choices],
                usage=completion.usage.model_dump(),
                metadata=asked.metadata,
            )
        )


def _as_sent(asked: ChatRequest, messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages in OpenAI's shape, without the disclaimers that stood behind answers."""
    own = messages[-len(asked.messages) :]  # a system text of the adapter's may stand before them
    sent = [message.as_sent for message in asked.messages]
    return [
        each | {"content": said.content if each["content"] is not None else None}
        for each, said in zip(sent, own, strict=True)
    ]


def _as_stored(choice: Choice, ending: str) -> dict[str, Any]:
    """A choice as the model made it, without the disclaimer behind its text. Log probabilities are
    not kept: they would tell the text once more."""
    stored: dict[str, Any] = {**choice.model_dump(), "logprobs": None}
    if content := stored["message"]["content"]:
        stored["message"]["content"] = content.removesuffix(ending)
    return stored


def _say_defused(renderer: ChatRenderer, messages: Sequence[Message], tools: Tools) -> None:
    """Marks that are still there have been let through, as the settings have it."""
    parts = [value for _, value in places_of(messages, tools)]
    if marks := set(renderer.plain_marks_in(parts)):
        found = ", ".join(sorted(marks))
        log.warning("An invisible space was put into marks of the chat template: %s", found)


def _reader_of(chat: ChatRequest, template: str) -> Callable[[], Reader] | None:
    """What reads the calls of an answer; None where there can be none."""
    names = frozenset(tool.function.name for tool in chat.offered_tools)
    if not names:
        return None
    known = format_of(template)
    if chat.tool_choice is not None and chat.tool_choice.is_forced:
        chosen = chat.tool_choice.function
        return partial(ForcedReader, known, names, chosen.name if chosen else None)
    if known is None:
        raise InvalidRequest(
            "This model's chat template writes tools, but the form of its calls is not known "
            "here. Say in tool_choice that one is to be called ('required', or a name), or none.",
            "tools",
            UNSUPPORTED,
        )
    return partial(CallReader, known, names, several=chat.may_call_several)
