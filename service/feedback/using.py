"""Feedback on its way into a version: what was accepted, and what has become of it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, case, select, update

from data.conversation import Conversation, Message
from finetune.improving.correction import Correction, Side
from service.state.database import State
from service.state.tables import FEEDBACK

from .feedback import item_of, pinned_to
from .item import REVIEWED, USED, FeedbackItem


def accepted_for(state: State, place: str, adapter: str) -> list[FeedbackItem]:
    """What was accepted of an adapter's answers, in the order of acceptance: of whatever version,
    but of no blend. Raises StateUnavailable."""
    reviewed = FEEDBACK.c.place == place, FEEDBACK.c.state.in_((*REVIEWED, *USED))
    asked = select(FEEDBACK).where(*reviewed, pinned_to(f"{adapter}@"))
    ordered = asked.order_by(FEEDBACK.c.reviewed, FEEDBACK.c.number)
    with state.begin() as connection:
        found = [item_of(row) for row in connection.execute(ordered).mappings()]
    return [each for each in found if each.right_answer]


def num_accepted(state: State, place: str) -> Counter[str]:
    """How many accepted items of each adapter are in no training set; 0 for those of which all are
    in one. Raises StateUnavailable."""
    accepted = FEEDBACK.c.state.in_((*REVIEWED, "in_training"))
    asked = select(FEEDBACK.c.pinned, FEEDBACK.c.side).where(accepted)
    found: Counter[str] = Counter()
    with state.begin() as connection:
        for pinned, side in connection.execute(asked.where(FEEDBACK.c.place == place)):
            if "+" not in pinned:
                found[pinned.partition("@")[0]] += side is None
    return found


def begin_training(connection: Connection, sides: Mapping[str, Side]) -> None:
    """Note on which side each item stands: for good."""
    for item_id, side in sides.items():
        of_it = (FEEDBACK.c.id == item_id) & (FEEDBACK.c.state.in_((*REVIEWED, *USED)))
        state = case((FEEDBACK.c.state == "shipped", "shipped"), else_="in_training")
        connection.execute(update(FEEDBACK).where(of_it).values(side=side, state=state))


def ship(connection: Connection, item_ids: Iterable[str], version: str) -> None:
    """Note the version that was trained on, or measured with, these and is promoted now: of what is
    in training, and of what has been kept back."""
    is_due = FEEDBACK.c.state.in_((*REVIEWED, "in_training"))
    of_them = FEEDBACK.c.id.in_([*item_ids]) & is_due
    connection.execute(update(FEEDBACK).where(of_them).values(state="shipped", version=version))


def keep_back(connection: Connection, item_ids: Iterable[str]) -> None:
    """Let what was in training wait for the next one, on the side where it is."""
    of_them = FEEDBACK.c.id.in_([*item_ids]) & (FEEDBACK.c.state == "in_training")
    state = case((FEEDBACK.c.edited.is_(None), "accepted"), else_="edited")
    connection.execute(update(FEEDBACK).where(of_them).values(state=state))


def correction_of(item: FeedbackItem) -> Correction:
    given = item.answer["message"].get("content") or ""
    right = item.right_answer or ""
    asked = [_message(each) for each in item.messages]
    is_wrong = given.strip() not in ("", right.strip())
    return Correction(
        id=item.id,
        right=Conversation(
            (*asked, Message("assistant", right)),
            item.id,
            tools=tuple(item.asked.get("tools") or ()),
            rejected=(Message("assistant", given),) if is_wrong else (),
        ),
        given=given if is_wrong else None,
        side=item.side,
        is_critical=item.critical,
    )


def _message(sent: Mapping[str, Any]) -> Message:
    """Read OpenAI's shape; what was answered before is not trained on."""
    role = "system" if sent["role"] == "developer" else sent["role"]
    return Message(
        role,
        sent.get("content") or "",
        trained=role != "assistant",
        tool_calls=tuple(sent.get("tool_calls") or ()),
        tool_call_id=sent.get("tool_call_id"),
        name=sent.get("name"),
    )
