"""What to do with rows that hold one part of a conversation."""

from collections.abc import Iterable, Mapping

from data.wording import N_, _

from .names import QUESTIONS, own_name

QUESTION_IDS = ("question_id", "q_id", "qid", "que_id")
CONTENTS = ("content", "text")
A_LIST = N_("a conversation a row, all its turns in a list: {example}")
MESSAGES = '{"messages": [{"role": …, "content": …}, …]}'
A_JOIN = N_(
    "questions and answers in one table: join the two by {key}, and call its columns question and "
    "answer"
)
A_CHOICE = N_("one answer to train on, such as the chosen one: --map {proposal}")


def advise(keys: Iterable[str]) -> str | None:
    """What is expected instead of a row with these keys; None where nothing special is known."""
    names = {own_name(key).lower(): key for key in keys}
    if {"role", "content"} <= names.keys():
        return _(A_LIST).format(example=MESSAGES)
    question_id = next((name for name in QUESTION_IDS if name in names), None)
    if question_id and not names.keys().isdisjoint(CONTENTS):
        return _(A_JOIN).format(key=names[question_id])
    chosen = next((name for name in names if name.startswith("chosen")), None)
    if chosen and any(name.startswith("rejected") for name in names):
        return _(A_CHOICE).format(proposal=_map(names[chosen], names))
    return None


def _map(chosen: str, names: Mapping[str, str]) -> str:
    question = next((names[name] for name in QUESTIONS if name in names), None)
    if question:
        return _(
            "question={question},answer={chosen}; or messages={chosen}, or text={chosen} where it "
            "is one text"
        ).format(question=question, chosen=chosen)
    return _("messages={chosen}, or text={chosen} where it is one text").format(chosen=chosen)
