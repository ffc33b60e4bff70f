"""What to do with rows that hold one part of a conversation."""

from collections.abc import Iterable

from .names import own_name

TURN = ("role", "content")
QUESTION_IDS = ("question_id", "q_id", "qid", "que_id")
CONTENTS = ("content", "text")
A_LIST = (
    'a conversation a row, all its turns in a list: {"messages": [{"role": …, "content": …}, …]}'
)
A_JOIN = (
    "questions and answers in one table: join the two by {}, and call its columns question and "
    "answer"
)


def advise(keys: Iterable[str]) -> str | None:
    """Of a row with these keys what is expected instead; None where nothing special is known."""
    names = {own_name(key).lower() for key in keys}
    if names >= {*TURN}:
        return A_LIST
    question_id = next((name for name in QUESTION_IDS if name in names), None)
    if question_id and not names.isdisjoint(CONTENTS):
        return A_JOIN.format(question_id)
    return None
