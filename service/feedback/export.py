"""Feedback as rows to train on, in OpenAI's two shapes."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from .item import FeedbackItem

Form = Literal["sft", "preference"]


def export_rows(items: Iterable[FeedbackItem], form: Form) -> Iterator[dict[str, Any]]:
    """One row for each item that has something to train on.

    sft: the question with its correction, or with an answer that was called good. preference: the
    correction before the answer that was given.
    """
    for item in items:
        answer = item.answer["message"].get("content") or ""
        good = item.correction or (answer if item.rating == 1 else "")
        if form == "sft" and good:
            yield {"messages": [*item.messages, _said(good)], **_tools(item)}
        if form == "preference" and item.correction:
            yield {
                "input": {"messages": item.messages, **_tools(item)},
                "preferred_output": [_said(item.correction)],
                "non_preferred_output": [_said(answer)],
            }


def _said(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}


def _tools(item: FeedbackItem) -> dict[str, Any]:
    return {"tools": item.asked["tools"]} if item.asked.get("tools") else {}
