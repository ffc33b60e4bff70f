"""Jobs run on an engine: within their limits, metered, and for those who may."""

from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager

from service.accounts.caller import check_mine
from service.errors import OfField
from serving.engine import Engine
from serving.errors import PromptTooLong, SchemaRefused

from .job import AnswerJob
from .limits import AnswerLimits
from .metering import Meter, Metering
from .together import Numbered, together


class Answering:
    """Runs jobs for the caller in `current_caller`."""

    def __init__(
        self, engine: Engine, base_id: str, limits: AnswerLimits, metering: Metering
    ) -> None:
        self._engine = engine
        self._base_id = base_id
        self._limits = limits
        self._metering = metering

    def run(self, job: AnswerJob) -> AsyncGenerator[Numbered]:
        """What the engine streams for any of the answers, with the answer's index, as it comes.

        Closing the iterator cancels them all, and so does an error in one of them, which is
        raised. Raises ModelNotFound for what the caller may not use; at the first step what the
        engine raises there, and OfField or InvalidRequest for a field of the client's request.
        """
        models = sorted({ref.name for ref, _ in job.blend}) or [self._base_id]
        for name in models:
            check_mine(name)
        meter = Meter(self._metering, job, models)
        answers = [self._answer(job, index, meter) for index in range(len(job.requests))]
        # Nearly always there is one, and then nothing needs to stand between.
        return answers[0] if len(answers) == 1 else together(answers)

    async def _answer(self, job: AnswerJob, index: int, meter: Meter) -> AsyncGenerator[Numbered]:
        request = job.requests[index]
        with (
            _said_of_fields(job),
            await meter.answer(index) as answer,
            self._limits.leash() as leash,
        ):
            self._limits.check(request, job)
            async with aclosing(self._engine.submit(request)) as deltas:
                while (delta := await leash.pull(deltas)) is not None:
                    answer.note(delta)
                    yield index, delta


@contextmanager
def _said_of_fields(job: AnswerJob) -> Generator[None]:
    """The engine knows prompts and schemas, but not which field of a request they come from."""
    try:
        yield
    except PromptTooLong as error:
        raise OfField(job.prompt_field, error) from error
    except SchemaRefused as error:
        raise OfField(job.schema_field, error) from error
