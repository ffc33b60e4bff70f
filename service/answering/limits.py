"""What an answer may ask for, and how long it may take."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from service.errors import TOO_LONG, DeadlineExceeded, InvalidRequest
from service.http.gate import Gate
from service.http.leash import Leash
from service.settings import ServiceSettings
from serving.engine import Request

from .job import AnswerJob


class AnswerLimits:
    def __init__(self, settings: ServiceSettings, gate: Gate) -> None:
        self._settings = settings
        self._gate = gate

    def check(self, request: Request, job: AnswerJob) -> None:
        """Raises InvalidRequest."""
        prompt, answer = len(request.prompt_ids), request.sampling.max_tokens
        most_prompt = self._settings.max_prompt_tokens
        most_answer = self._settings.max_output_tokens
        if most_prompt is not None and prompt > most_prompt:
            raise InvalidRequest(
                f"The prompt has {prompt} tokens, and this server takes {most_prompt} at most. "
                "Shorten it.",
                job.prompt_field,
                TOO_LONG,
            )
        if most_answer is not None and answer > most_answer:
            raise InvalidRequest(
                f"The request asks for up to {answer} tokens, and this server answers with "
                f"{most_answer} at most. Ask for fewer.",
                job.limit_field,
            )

    @contextmanager
    def leash(self) -> Generator[Leash]:
        """Ends an answer when its time is over, waiting included, or when the gate ends them."""
        leash, seconds = Leash(), self._settings.deadline
        error = DeadlineExceeded(seconds)
        timer = asyncio.get_running_loop().call_later(seconds, leash.end, error)
        self._gate.leashes.add(leash)
        try:
            yield leash
        finally:
            timer.cancel()
            self._gate.leashes.discard(leash)
