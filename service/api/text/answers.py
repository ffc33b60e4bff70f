"""What comes of a text completion's answers, in OpenAI's shapes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.api.disclaimers import ending_for
from service.api.labels import Labels
from service.api.logprobs import TokenNames
from service.api.protocol import Chunk, TextChoice, TextCompletion, TextLogprobs, Usage
from service.api.tally import Tally, sum_of, usage_of
from serving.engine import Delta, FinishReason, Request

from .request import TextRequest


@dataclass(frozen=True, slots=True)
class AskedText:
    """One prompt, and the answers to it, which stand side by side among all answers."""

    request: Request  # of each answer, but for its id and its seed
    echo: str  # what is to be told before the answer
    tallies: Sequence[Tally]

    @property
    def usage(self) -> Usage:
        return usage_of(len(self.request.prompt_ids), self.tallies)


class TextAnswers:
    def __init__(
        self, text: TextRequest, labels: Labels, asked: Sequence[AskedText], names: TokenNames
    ) -> None:
        self._text = text
        self._labels = labels
        self._asked = asked
        self._names = names
        self._head = labels.head("text_completion")
        self._answers = [(each.echo, tally) for each in asked for tally in each.tallies]

    def add(self, index: int, delta: Delta) -> None:
        self._answers[index][1].add(delta)

    def completion(self) -> TextCompletion:
        return TextCompletion(
            id=self._labels.id,
            created=self._labels.created,
            model=self._labels.model,
            system_fingerprint=self._labels.pinned,
            choices=[
                TextChoice(
                    index=index,
                    text=echo + tally.text + self._ending(tally),
                    logprobs=self._logprobs(tally),
                    finish_reason=tally.reason(),
                )
                for index, (echo, tally) in enumerate(self._answers)
            ],
            usage=self._usage(),
            disclaimer=self._labels.disclaimer,
        )

    def chunks(self, index: int, delta: Delta) -> Iterator[Chunk]:
        echo, tally = self._answers[index]
        if echo and not tally.texts:
            yield self._chunk(index, echo, None)
        tally.add(delta)
        if delta.text or delta.finish_reason is not None:
            logprobs = self._logprobs(tally) if tally.untold else None
            text = delta.text + self._ending(tally)
            chunk = self._chunk(index, text, logprobs, delta.finish_reason)
            if delta.finish_reason is not None and self._labels.disclaimer is not None:
                chunk["disclaimer"] = self._labels.disclaimer
            yield chunk

    def last_chunks(self) -> Iterator[Chunk]:
        for _, tally in self._answers:
            tally.reason()
        if self._text.includes_usage:
            yield self._head | {"choices": [], "usage": self._usage()}

    def _ending(self, tally: Tally) -> str:
        """Only where the model came to its end: what was cut is gone on from."""
        return ending_for(tally.text, self._labels.ending) if tally.finish_reason == "stop" else ""

    def _usage(self) -> Usage:
        return sum_of([each.usage for each in self._asked])

    def _logprobs(self, tally: Tally) -> TextLogprobs | None:
        if self._text.logprobs is None:
            return None
        offsets = tally.offsets
        return self._names.legacy(tally.take_logprobs(), offsets)

    def _chunk(
        self,
        index: int,
        text: str,
        logprobs: TextLogprobs | None,
        finish: FinishReason | None = None,
    ) -> Chunk:
        choice = {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish}
        chunk = self._head | {"choices": [choice]}
        # Clients that did not ask for usage must not see the key, not even as null.
        return chunk | {"usage": None} if self._text.includes_usage else chunk
