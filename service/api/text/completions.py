"""Text completions become jobs for the engine: prompts as they are, without a chat template."""

from functools import cached_property

from service.answering.job import AnswerJob, split
from service.api.generation import Generation, Prepared
from service.api.labels import new_labels
from service.api.protocol import TextCompletion
from service.api.tally import Tally
from service.api.vocabulary import Vocabulary
from service.errors import InvalidRequest, said_of
from serving.engine import Request

from .answers import AskedText, TextAnswers
from .request import DEFAULT_TOKENS, Prompt, TextRequest

FIELD = "prompt"


class TextCompletions(Generation[TextRequest, TextCompletion]):
    """Goes on from texts."""

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(self._models.tokenizer)

    def prepare(self, asked: TextRequest) -> Prepared[TextCompletion]:
        with said_of(asked.adapters_field):  # a template that fails is the model's, too
            return self._job(asked)

    def _job(self, text: TextRequest) -> Prepared[TextCompletion]:
        model = self._models.resolve(text.model, text.loras, str(text.prompt[0]))
        labels = new_labels("cmpl", text.model, model, self._disclaimers.ending(model))
        asked: list[AskedText] = []
        requests: list[Request] = []
        for index, prompt in enumerate(text.prompt):
            request = self._requests.write(
                f"{labels.id}-{index}", text, model, self._ids(prompt), DEFAULT_TOKENS
            )
            tallies = [Tally(request.end_ids) for _ in range(text.num_choices)]
            asked.append(AskedText(request, self._echo(prompt) if text.echo else "", tallies))
            requests += split(request, text.num_choices)
        job = AnswerJob(
            requests,
            text.num_choices,
            prompt_field=FIELD,
            schema_field=FIELD,
            limit_field=text.limit_field,
        )
        return job, TextAnswers(text, labels, asked, self._names), None

    def _ids(self, prompt: Prompt) -> tuple[int, ...]:
        if isinstance(prompt, str):
            prompt = self._vocabulary.encode(prompt)
        else:
            self._vocabulary.check(prompt, FIELD)
        if not prompt:
            raise InvalidRequest("prompt: it has no tokens, so there is nothing to go on.", FIELD)
        return prompt

    def _echo(self, prompt: Prompt) -> str:
        return prompt if isinstance(prompt, str) else self._vocabulary.decode(prompt)
