"""Feedback as rows to train on, in OpenAI's two shapes."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from .item import FeedbackItem

Form = Literal["sft", "preference"]


def export_rows(items: Iterable[FeedbackItem], form: Form) -> Iterator[dict[str, Any]]:
    """One row for each item that has something to train on; what was held out is kept back.

    sft: the question with its correction, or with an answer that was called good. preference: the
    correction before the answer that was given.
    """
    for item in items:
        if item.is_continuation or item.side == "held_out" or item.state == "rejected":
            continue
        answer = _said(**item.answer["message"])
        correction = item.written and _said(item.written)
        good = correction or (answer if item.rating == 1 and not item.critical else None)
        if form == "sft" and good:
            yield {"messages": [*item.messages, good], **_tools(item)}
        if form == "preference" and correction:
            yield {
                "input": {"messages": item.messages, **_tools(item)},
                "preferred_output": [correction],
                "non_preferred_output": [answer],
            }


def _said(
    content: str | None, tool_calls: list[dict[str, Any]] | None = None, **_: Any
) -> dict[str, Any]:
    calls = {"tool_calls": tool_calls} if tool_calls else {}
    return {"role": "assistant", "content": content, **calls}


def _tools(item: FeedbackItem) -> dict[str, Any]:
    return {"tools": item.asked["tools"]} if item.asked.get("tools") else {}
