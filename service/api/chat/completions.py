"""Chat requests become jobs for the engine."""

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial

from data.chat import ChatRenderer
from data.conversation import Message, places_of
from data.writing.chat_template import Tools
from service.answering.job import AnswerJob, split
from service.api.disclaimers import Disclaimers
from service.api.engine_request import EngineRequests
from service.api.generation import Generation, Prepared
from service.api.labels import new_labels
from service.api.logprobs import TokenNames
from service.api.protocol import ChatCompletion
from service.errors import InvalidRequest, said_of
from service.http.fields import UNSUPPORTED
from service.models import Models
from service.settings import ServiceSettings

from .answers import ChatAnswers
from .call_formats import format_of
from .call_reader import CallReader, ForcedReader, Reader
from .message import conversation_of
from .prompt import prompt_ids
from .request import ChatRequest

log = logging.getLogger(__name__)


class ChatCompletions:
    """Answers chat requests whole or as a stream."""

    def __init__(
        self,
        generation: Generation,
        requests: EngineRequests,
        models: Models,
        settings: ServiceSettings,
    ) -> None:
        self._generation = generation
        self._requests = requests
        self._models = models
        self._settings = settings
        self._names = TokenNames(models.tokenizer)
        self._disclaimers = Disclaimers(models, are_appended=settings.append_disclaimer)

    async def answer(self, chat: ChatRequest) -> ChatCompletion:
        """Raises what resolving, rendering and the engine raise."""
        return await self._generation.answer(partial(self._prepare, chat))

    def stream(self, chat: ChatRequest) -> AsyncGenerator[bytes]:
        """The payloads of a stream's events. Closing the iterator cancels the request.

        Raises at the first step what `answer` raises; a later error becomes the last event.
        """
        return self._generation.stream(partial(self._prepare, chat))

    def _prepare(self, chat: ChatRequest) -> Prepared[ChatCompletion]:
        with said_of(chat.adapters_field):
            model = self._models.resolve(chat.model, chat.loras)
        said = conversation_of(chat.messages, model.system)
        messages = self._disclaimers.taken_off(said, model)
        tools = [tool.for_template for tool in chat.offered_tools]
        prompt = prompt_ids(
            model.renderer,
            messages,
            tools,
            chat.add_generation_prompt,
            chat.continue_final_message,
        )
        _say_defused(model.renderer, messages, tools)
        ending = self._disclaimers.ending(model) if chat.json_schema is None else ""
        labels = new_labels("chatcmpl", chat.model, model, ending)
        request = self._requests.write(
            labels.id, chat, model, prompt, self._settings.default_max_tokens
        )
        reader = _reader_of(chat, model.renderer.template)
        job = AnswerJob(
            split(request, chat.num_choices),
            chat.num_choices,
            prompt_field="messages",
            schema_field="tools" if chat.forces_calls else "response_format",
            limit_field=chat.limit_field,
        )
        return job, ChatAnswers(chat, labels, request, self._names, reader)


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
