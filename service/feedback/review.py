"""What a reviewer decides of feedback: whether it is to be trained on, and in which words."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from sqlalchemy import select, update

from service.accounts.caller import Caller
from service.errors import InvalidRequest
from service.state.database import State
from service.state.tables import FEEDBACK

from .answers import seen_by
from .feedback import check_is_unused, find_row, item_of
from .item import REVIEWED, USED, FeedbackItem
from .item import State as ReviewState

Decision = Literal["accept", "reject", "reopen"]
STATES: Mapping[Decision, ReviewState] = {
    "accept": "accepted",
    "reject": "rejected",
    "reopen": "new",
}


class Review:
    """Asks the database, so call from threads. Every method raises StateUnavailable where it does
    not answer."""

    def __init__(self, state: State, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._clock = clock

    def decide(
        self,
        item_id: str,
        caller: Caller,
        decision: Decision,
        answer: str | None = None,
        *,
        critical: bool | None = None,
    ) -> FeedbackItem:
        """Accept, with the reviewer's own `answer` if any; reject; or take that back.

        Raises FeedbackNotFound, and InvalidRequest where there would be nothing to train on or a
        version has been.
        """
        with self._state.begin(sqlite_begin="BEGIN IMMEDIATE") as connection:
            before = item_of(find_row(connection, item_id, caller, to_change=True))
            check_is_unused(before)
            if critical is not None:
                before = replace(before, critical=critical)
            values = _decided(before, decision, answer) | {"critical": before.critical}
            is_open = decision == "reopen"
            values["reviewer"] = None if is_open else caller.owner
            values["reviewed"] = None if is_open else int(self._clock())
            connection.execute(update(FEEDBACK).where(FEEDBACK.c.id == item_id).values(**values))
            decided = item_of(find_row(connection, item_id, caller))
        self._state.wipe()
        return decided

    def rivals(self, items: Sequence[FeedbackItem], caller: Caller) -> dict[str, list[str]]:
        """The ids of accepted feedback that says otherwise to the same question, for each of the
        items where there is some."""
        questions = {each.question for each in items}
        where = FEEDBACK.c.question.in_(questions), FEEDBACK.c.state.in_((*REVIEWED, *USED))
        accepted: dict[tuple[str, str], list[FeedbackItem]] = defaultdict(list)
        with self._state.begin() as connection:
            asked = select(FEEDBACK).where(*where, *seen_by(caller, FEEDBACK))
            for row in connection.execute(asked).mappings():
                accepted[row["question"], row["place"]].append(item_of(row))
        found: dict[str, list[str]] = {}
        for item in items:
            others = [
                each.id
                for each in accepted[item.question, item.place]
                if each.id != item.id and each.right_answer != item.right_answer
            ]
            if others:
                found[item.id] = others
        return found


def _decided(item: FeedbackItem, decision: Decision, answer: str | None) -> dict[str, Any]:
    if decision != "accept":
        if answer is not None:
            raise InvalidRequest("An answer goes with accept alone.", "answer")
        return {"state": STATES[decision], "edited": None}
    if item.is_continuation:
        raise InvalidRequest(
            f"{item.id} cannot be trained on: the request was to go on with an answer.", "decision"
        )
    if answer is None and item.right_answer is None:
        raise InvalidRequest(
            f"Nobody has said what the right answer of {item.id} would be: write it.", "answer"
        )
    return {"state": "accepted" if answer is None else "edited", "edited": answer}
