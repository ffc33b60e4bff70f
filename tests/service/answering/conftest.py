"""Jobs, and what runs them, without a service around."""

from collections.abc import Sequence

from service.accounts.charging import Charging
from service.answering.answering import Answering
from service.answering.job import AnswerJob
from service.answering.limits import AnswerLimits
from service.answering.metering import Metering
from service.http.gate import Gate
from service.settings import ServiceSettings
from service.telemetry.metrics import Metrics
from serving.engine import Engine, Request


def job_of(requests: Sequence[Request], num_choices: int | None = None) -> AnswerJob:
    """By default all requests are answers to one prompt."""
    return AnswerJob(
        requests, num_choices or len(requests), "messages", "response_format", "max_tokens"
    )


def answering_on(engine: Engine, charging: Charging | None = None) -> Answering:
    limits = AnswerLimits(ServiceSettings(max_prompt_tokens=1000), Gate())
    metering = Metering(Metrics(engine, "base", "0", 9), charging)
    return Answering(engine, "base", limits, metering)
