"""What stands beside turns and belongs to them: a system prompt, a context, a patient's report."""

from collections.abc import Sequence
from dataclasses import replace

from data.conversation import Message
from data.wording import _

from .names import CONTEXT, JUDGEMENTS, MEDIA, OPENING, PREFERENCES, SYSTEM
from .row import Fields, Row, is_filled

BESIDE = frozenset({CONTEXT, *SYSTEM, *OPENING})
UNFIT = frozenset({*MEDIA, *PREFERENCES, *JUDGEMENTS})


def take_system(fields: Fields, row: Row) -> list[Message]:
    if BESIDE.isdisjoint(fields):
        return []
    keys = [key for key in SYSTEM if is_filled(fields.get(key))]
    texts = dict.fromkeys(filter(None, (row.take_text(fields, key) for key in keys)))
    if len(texts) > 1:
        row.refuse(_(" and ").join(keys), _("two system prompts"), _("one"))
    return [Message("system", text) for text in texts]


def put_beside(messages: Sequence[Message], fields: Fields, row: Row) -> list[Message]:
    """All of it where it belongs. A system prompt that the turns begin with too is one."""
    if BESIDE.isdisjoint(fields):
        return [*messages]
    system = take_system(fields, row)
    turns = with_context(_with_opening(messages, fields, row), fields, row)
    return turns if turns[:1] == system else system + turns


def with_context(messages: Sequence[Message], fields: Fields, row: Row) -> list[Message]:
    """What the first question is about, below it as Alpaca's input is."""
    is_there = is_filled(fields.get(CONTEXT))
    context = row.take_text(fields, CONTEXT, may_be_empty=True) if is_there else ""
    asked = next((n for n, each in enumerate(messages) if each.role == "user"), None)
    if not context or asked is None:
        return [*messages]
    question = replace(messages[asked], content=f"{messages[asked].content}\n{context}")
    return [*messages[:asked], question, *messages[asked + 1 :]]


def _with_opening(messages: Sequence[Message], fields: Fields, row: Row) -> list[Message]:
    """What the patient wrote before, as the first turn or at the head of it."""
    key = next((key for key in OPENING if is_filled(fields.get(key))), None)
    report = row.take_text(fields, key, may_be_empty=True) if key else ""
    if not report:
        return [*messages]
    if messages and messages[0].role == "user":
        return [replace(messages[0], content=f"{report}\n{messages[0].content}"), *messages[1:]]
    return [Message("user", report), *messages]


def refuse_unfit(fields: Fields, row: Row, *, has_turns: bool) -> None:
    """What makes a row one of another training: pictures, and answers to choose between. What
    people say of its answer is noted."""
    if UNFIT.isdisjoint(fields):
        return
    for key in MEDIA:
        if is_filled(fields.get(key)):
            seen = _("something in {key!r}").format(key=key)
            row.refuse(key, seen, _("text alone: nothing else can be trained on"))
    for key in JUDGEMENTS:
        if isinstance(judged := fields.get(key), bool):
            row.is_good, row.judged_by = judged, key
    preferences = [key for key in PREFERENCES if fields.get(key)]
    if preferences and has_turns:
        names = _(" and ").join(preferences)
        seen = _("answers to choose between: {names}").format(names=names)
        expected = _("the one to train on as the last turn, and no other")
        row.refuse(preferences[0], seen, expected)
