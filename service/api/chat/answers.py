"""What comes of a chat request's answers, in OpenAI's shapes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from service.api.disclaimers import ending_for
from service.api.labels import Labels
from service.api.logprobs import TokenNames
from service.api.protocol import (
    AnswerMessage,
    ChatCompletion,
    Choice,
    ChoiceLogprobs,
    Chunk,
    EndReason,
    ToolCall,
    Usage,
)
from service.api.tally import Tally, usage_of
from serving.engine import Delta, Request

from .call_reader import Part, Reader
from .request import ChatRequest


@dataclass(slots=True)
class ChatAnswer:
    tally: Tally
    reader: Reader | None  # None: the answer is nothing but text
    num_calls: int = 0
    parts: list[Part] = field(default_factory=list)  # all that the reader has read

    @property
    def reason(self) -> EndReason:
        """An answer that was cut says so, even if there are calls before the cut."""
        reason = self.tally.reason()
        return "tool_calls" if self.num_calls and reason == "stop" else reason

    def read(self, text: str, *, is_last: bool) -> Sequence[Part]:
        if self.reader is None:
            return (text,) if text else ()
        parts = self.reader.push(text)
        parts = [*parts, *self.reader.finish()] if is_last else parts
        self.parts += parts
        return parts

    def all_parts(self) -> Sequence[Part]:
        """The parts of the whole answer, whether it was read while it was streamed or not yet."""
        if self.reader is None:
            return (self.tally.text,)
        return self.parts or self.read(self.tally.text, is_last=True)

    def ending(self, ending: str) -> str:
        """What is to follow the text: nothing where there are calls, which are for programs."""
        return "" if self.num_calls else ending_for(self.tally.text, ending)


class ChatAnswers:
    def __init__(
        self,
        chat: ChatRequest,
        labels: Labels,
        request: Request,  # of each answer, but for its id and its seed
        names: TokenNames,
        new_reader: Callable[[], Reader] | None,
    ) -> None:
        self._chat = chat
        self._labels = labels
        self._request = request
        self._names = names
        self._head = labels.head("chat.completion.chunk")
        self._answers = [
            ChatAnswer(Tally(request.end_ids), new_reader() if new_reader else None)
            for _ in range(chat.num_choices)
        ]

    def add(self, index: int, delta: Delta) -> None:
        self._answers[index].tally.add(delta)

    def completion(self) -> ChatCompletion:
        return ChatCompletion(
            id=self._labels.id,
            created=self._labels.created,
            model=self._labels.model,
            system_fingerprint=self._labels.pinned,
            choices=[self._choice(index, answer) for index, answer in enumerate(self._answers)],
            usage=self._usage(),
            disclaimer=self._labels.disclaimer,
        )

    def chunks(self, index: int, delta: Delta) -> Iterator[Chunk]:
        answer = self._answers[index]
        if not answer.tally.texts:
            content = "" if answer.reader is None else None  # calls alone have no content
            yield self._chunk(index, {"role": "assistant", "content": content})
        answer.tally.add(delta)
        is_last = delta.finish_reason is not None
        for part in answer.read(delta.text, is_last=is_last):
            yield self._chunk(index, _delta_of(part, answer), self._logprobs(answer.tally))
        if is_last:
            if ending := answer.ending(self._labels.ending):
                yield self._chunk(index, {"content": ending})
            chunk = self._chunk(index, {}, self._logprobs(answer.tally), answer.reason)
            if self._labels.disclaimer is not None:
                chunk["disclaimer"] = self._labels.disclaimer
            yield chunk

    def last_chunks(self) -> Iterator[Chunk]:
        for answer in self._answers:
            answer.tally.reason()
        if self._chat.includes_usage:
            yield self._head | {"choices": [], "usage": self._usage()}

    def _choice(self, index: int, answer: ChatAnswer) -> Choice:
        parts = answer.all_parts()
        calls = [part for part in parts if isinstance(part, ToolCall)]
        answer.num_calls = len(calls)
        text = "".join(part for part in parts if isinstance(part, str))
        text += answer.ending(self._labels.ending)
        told = answer.tally.take_logprobs()
        return Choice(
            index=index,
            message=AnswerMessage(
                content=text if text or not calls else None, tool_calls=calls or None
            ),
            logprobs=self._names.listed(told) if self._chat.logprobs else None,
            finish_reason=answer.reason,
        )

    def _usage(self) -> Usage:
        tallies = [answer.tally for answer in self._answers]
        return usage_of(len(self._request.prompt_ids), tallies)

    def _logprobs(self, tally: Tally) -> ChoiceLogprobs | None:
        return self._names.listed(tally.take_logprobs()) if tally.untold else None

    def _chunk(
        self,
        index: int,
        delta: Chunk,
        logprobs: ChoiceLogprobs | None = None,
        finish: EndReason | None = None,
    ) -> Chunk:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        chunk = self._head | {"choices": [choice]}
        # Clients that did not ask for usage must not see the key, not even as null.
        return chunk | {"usage": None} if self._chat.includes_usage else chunk


def _delta_of(part: Part, answer: ChatAnswer) -> Chunk:
    if isinstance(part, str):
        return {"content": part}
    index, answer.num_calls = answer.num_calls, answer.num_calls + 1
    return {"tool_calls": [{"index": index, **part.model_dump()}]}
