"""Which answers are kept, and for how long."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from data.personal.redaction import redact
from service.accounts.caller import Caller, StoreAnswers
from service.errors import InvalidRequest, NotAllowed, StateUnavailable
from service.http.fields import UNSUPPORTED
from service.jobs.desk import Desk, place_of
from service.settings import ServiceSettings
from service.state.database import State

from .answers import Answers
from .background import in_background
from .feedback import Feedback
from .findings import Findings
from .review import Review
from .stored_answer import StoredAnswer
from .topics import Topics

logger = logging.getLogger(__name__)

SWEEP = 3600.0  # [seconds] from one look at what is too old to the next
NOT_HERE = (
    "This server stores no answers: its operator can allow it with store_answers: asked, for all "
    "keys or for one."
)
NO_DATABASE = "This server stores no answers: it has no database that it may write."


class Keeping:
    """Decides on each answer. Without a database none is kept."""

    def __init__(self, state: State | None, settings: ServiceSettings) -> None:
        self.place = ""
        self.state: State | None = None  # None: none that may be written
        self._answers, self._feedback = None, None
        if state is not None and not state.is_read_only:
            self.place = _place(settings)
            self._answers = Answers(state, self.place, settings.keep_answers)
            self._feedback = Feedback(state)
            self.state = state
        self._home = settings.home
        self._usual: StoreAnswers = settings.store_answers
        self._are_redacted = settings.redact_answers

    @property
    def answers(self) -> Answers:
        """Raises NotAllowed where none can be kept."""
        if self._answers is None:
            raise NotAllowed(NO_DATABASE)
        return self._answers

    @property
    def feedback(self) -> Feedback:
        """Raises NotAllowed where none can be kept."""
        if self._feedback is None:
            raise NotAllowed(NO_DATABASE)
        return self._feedback

    @property
    def database(self) -> State:
        """Raises NotAllowed where there is none that may be written."""
        if self.state is None:
            raise NotAllowed(NO_DATABASE)
        return self.state

    @property
    def review(self) -> Review:
        """Raises NotAllowed where none can be kept."""
        return Review(self.database)

    @property
    def findings(self) -> Findings:
        """Raises NotAllowed where none can be kept."""
        return Findings(self.database, self._home, self.place)

    @property
    def topics(self) -> Topics:
        """Raises NotAllowed where none can be kept."""
        return Topics(self.database, self._home, self.place)

    def as_kept(self, said: dict[str, Any]) -> dict[str, Any]:
        """The fields of an opinion, without personal data where that is wished."""
        if not self._are_redacted:
            return said
        texts = {name: said[name] for name in ("correction", "note") if said.get(name)}
        kept = said | {name: redact(text) for name, text in texts.items()}
        return kept | {"reasons": [*map(redact, said["reasons"])]} if "reasons" in said else kept

    def usual(self, caller: Caller) -> StoreAnswers:
        """Which of a caller's answers are kept."""
        if self._answers is None:
            return "off"
        return caller.store_answers or self._usual

    def wants(self, store: bool | None, caller: Caller) -> bool:
        """Whether an answer is to be kept whose request says `store`.

        Raises InvalidRequest where it asks for what the operator has not allowed.
        """
        usual = self.usual(caller)
        if usual == "off" and store:
            told = NO_DATABASE if self._answers is None else NOT_HERE
            raise InvalidRequest(told, "store", UNSUPPORTED)
        return store is True or (store is None and usual == "all")

    def keep(self, answer: StoredAnswer) -> None:
        """Ask the database, so call from threads. Who has the answer already is not told where the
        database is away: the log says it."""
        if self._are_redacted:
            answer = _redacted(answer)
        try:
            self.answers.add(answer)
        except (StateUnavailable, SQLAlchemyError) as error:
            logger.warning("The answer %s is not stored: %s", answer.id, error)

    @asynccontextmanager
    async def sweeping(self) -> AsyncGenerator[None]:
        """What is too old is forgotten for as long as the block lasts."""
        if self._answers is None:
            yield
            return
        async with in_background(_repeat(self._answers.sweep)):
            yield


async def _repeat(sweep: Callable[[], int]) -> None:
    while True:
        try:
            if count := await run_in_threadpool(sweep):
                logger.info("Answers forgotten because of their age: %d", count)
        except (StateUnavailable, SQLAlchemyError) as error:
            logger.warning("Old answers are not forgotten now: %s", error)
        await asyncio.sleep(SWEEP)


def _place(settings: ServiceSettings) -> str:
    """The home's name in the database; "" where it needs none yet, or can have none."""
    if settings.store_answers == "off":
        return place_of(settings.home) or ""
    try:
        return Desk(settings.home).place
    except OSError:
        return ""


def _redacted(answer: StoredAnswer) -> StoredAnswer:
    said = [*answer.messages, *(each["message"] for each in answer.choices)]
    around = "\n".join(each["content"] for each in said if each.get("content"))

    def without_names(message: dict[str, Any]) -> dict[str, Any]:
        content = message.get("content")
        return message | {"content": redact(content, around=around)} if content else message

    return replace(
        answer,
        user=None,
        messages=[without_names(each) for each in answer.messages],
        choices=[each | {"message": without_names(each["message"])} for each in answer.choices],
    )
