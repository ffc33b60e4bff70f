"""What to do with rows that hold one part of a conversation."""

from collections.abc import Iterable, Mapping

from .names import QUESTIONS, own_name

QUESTION_IDS = ("question_id", "q_id", "qid", "que_id")
CONTENTS = ("content", "text")
A_LIST = (
    'a conversation a row, all its turns in a list: {"messages": [{"role": …, "content": …}, …]}'
)
A_JOIN = (
    "questions and answers in one table: join the two by {}, and call its columns question and "
    "answer"
)
A_CHOICE = "one answer to train on, such as the chosen one: --map {}"


def advise(keys: Iterable[str]) -> str | None:
    """Of a row with these keys what is expected instead; None where nothing special is known."""
    names = {own_name(key).lower(): key for key in keys}
    if {"role", "content"} <= names.keys():
        return A_LIST
    question_id = next((name for name in QUESTION_IDS if name in names), None)
    if question_id and not names.keys().isdisjoint(CONTENTS):
        return A_JOIN.format(names[question_id])
    chosen = next((name for name in names if name.startswith("chosen")), None)
    if chosen and any(name.startswith("rejected") for name in names):
        return A_CHOICE.format(_map(names[chosen], names))
    return None


def _map(chosen: str, names: Mapping[str, str]) -> str:
    question = next((names[name] for name in QUESTIONS if name in names), None)
    turns = f"messages={chosen}, or text={chosen} where it is one text"
    return f"question={question},answer={chosen}; or {turns}" if question else turns
