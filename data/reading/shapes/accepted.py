"""What a row may hold, in words, and how to say which of its keys is what."""

from collections.abc import Iterable

from .advice import advise
from .names import ANSWERS, QUESTIONS

ACCEPTED = (
    "the keys messages; or conversations; or conversation; or a question (instruction, prompt, "
    "question, query, ask, 问题 …) and an answer (output, completion, answer, response, 回答 …)"
)


def accepted(keys: Iterable[str]) -> str:
    """What a row may hold, and how to say which of these keys is what."""
    names = [*keys]
    if advice := advise(names):
        return advice
    proposal = _propose_columns(names)
    return f"{ACCEPTED}; or say which is which: --map {proposal}" if proposal else ACCEPTED


def _propose_columns(names: list[str]) -> str | None:
    """A guess by name, then by place."""
    question, answer = _named_like(names, QUESTIONS), _named_like(names, ANSWERS)
    rest = [name for name in names if name not in (question, answer)]
    question = question or (rest.pop(0) if rest else None)
    answer = answer or (rest.pop(0) if rest else None)
    if not question or not answer or question == answer:
        return None
    return f"question={question},answer={answer}"


def show_keys(keys: Iterable[str]) -> str:
    return f"the keys {', '.join(map(repr, keys))}" if keys else "no keys"


def _named_like(names: list[str], known: tuple[str, ...]) -> str | None:
    return next((name for name in names if any(each in name.lower() for each in known)), None)
