"""What is plainly wrong with an answer that feedback is about, found by rule."""

from collections.abc import Collection, Iterator
from typing import Literal

from data.likeness import normalized
from data.personal.search import find_personal
from finetune.evaluation.faults import REPEATED, main_script, repetition

from .item import FeedbackItem

Fault = Literal["unended", "repeating", "other_language", "empty", "no_disclaimer", "contradicts"]


def faults_of(
    item: FeedbackItem, *, has_rivals: bool = False, disclaimers: Collection[str] = ()
) -> list[Fault]:
    """`has_rivals`: what was accepted for the same question says otherwise. `disclaimers`: of the
    versions that answered."""
    return [*_faults(item, has_rivals, disclaimers)]


def _faults(item: FeedbackItem, has_rivals: bool, disclaimers: Collection[str]) -> Iterator[Fault]:
    message = item.answer["message"]
    text = message.get("content") or ""
    if item.answer["finish_reason"] == "length":
        yield "unended"
    if repetition(text) > REPEATED:
        yield "repeating"
    asked = next((each for each in reversed(item.messages) if each["role"] == "user"), {})
    scripts = {main_script(asked.get("content") or ""), main_script(text)}
    if len(scripts - {None}) == 2:
        yield "other_language"
    if not any(map(str.isalnum, text)) and not message.get("tool_calls"):
        yield "empty"
    wanted = item.written or ""
    if any(_says(wanted, each) and not _says(text, each) for each in disclaimers):
        yield "no_disclaimer"
    if has_rivals:
        yield "contradicts"


def _says(text: str, disclaimer: str) -> bool:
    return normalized(disclaimer) in normalized(text)


def personal_in(item: FeedbackItem) -> list[str]:
    """The kinds of personal data in what would be trained on."""
    texts = [each.get("content") or "" for each in item.messages]
    said = "\n".join([*texts, item.right_answer or ""])
    return sorted({each.kind.name for each in find_personal(said)})
