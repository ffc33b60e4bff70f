"""One turn that is an object: who speaks, what is said, and whether it is trained."""

import reprlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from data.conversation import Message
from data.reading.shapes.row import EMPTY, Fields, Remark, Row, drop_nulls, is_filled
from data.wording import _

from .parts import join_parts
from .roles import EXPECTED, Speaker, find_speaker
from .tools import take_calls

ROLE_KEYS = ("role", "from", "speaker")
CONTENT_KEYS = ("content", "value", "text", "sentence", "utterance")
WEIGHTS = ("weight", "loss", "train", "loss_weight")  # what programs call one and the same
CALLS = ("tool_calls", "function_call")
USED = frozenset({*ROLE_KEYS, *CONTENT_KEYS, *WEIGHTS, *CALLS, "tool_call_id", "name"})
# What is said in these would be lost, or would mean something else without them.
REFUSED = frozenset(
    {
        *("reasoning_content", "reasoning", "thinking", "refusal", "audio", "images", "image"),
        *("prefix", "training_detail"),
    }
)
PLAIN = ("system", "user", "assistant")
OF_TURNS = "fields of turns"


def has_speakers(value: Fields) -> bool:
    """Whether it says who speaks and what."""
    return not value.keys().isdisjoint(ROLE_KEYS) and not value.keys().isdisjoint(CONTENT_KEYS)


def is_message(value: Any) -> bool:
    return isinstance(value, dict) and has_speakers(value)


def read_message(item: Fields, at: str, row: Row) -> Message | None:
    """`at` is its place, such as `messages[0]`; None where nobody known speaks."""
    item, place = drop_nulls(item), f"{at}."
    role_key, content_key = _keys(tuple(item))
    speaker = find_speaker(item.get(role_key))
    if speaker is None:
        row.refuse(f"{place}{role_key}", reprlib.repr(item.get(role_key)), _(EXPECTED))
        return None
    if len(item) > 2:
        _look_at_others(item, at, speaker, row)
    elif content_key in item and speaker in PLAIN:  # as most are
        return Message(speaker, _take_content(item, content_key, place, False, row))
    if speaker == "call":
        calls = take_calls(item.get(content_key), f"{place}{content_key}", row)
        return Message("assistant", "", _is_trained(item, at, speaker, row), calls)
    calls = _take_calls(item, place, speaker, row)
    content = _take_content(item, content_key, place, bool(calls) or speaker == "tool", row)
    call_id = row.take_text(item, "tool_call_id", place, may_be_empty=True) or None
    name = row.take_text(item, "name", place, may_be_empty=True) or None
    return Message(speaker, content, _is_trained(item, at, speaker, row), calls, call_id, name)


@lru_cache(maxsize=1024)
def _keys(names: tuple[str, ...]) -> tuple[str, str]:
    """Which of a turn's say who speaks, and what."""
    role = next((key for key in ROLE_KEYS if key in names), ROLE_KEYS[0])
    return role, next((key for key in CONTENT_KEYS if key in names), CONTENT_KEYS[0])


def _take_content(item: Fields, key: str, place: str, may_be_empty: bool, row: Row) -> str:
    num_faults, value = len(row.faults), item.get(key)
    if isinstance(value, list):
        item = {key: join_parts(value, f"{place}{key}", row)}
    content = row.take_text(item, key, place, may_be_empty=True)
    if not content and not may_be_empty and len(row.faults) == num_faults:
        row.refuse(f"{place}{key}", _(EMPTY), _("text"))
    return content


def _take_calls(
    item: Fields, place: str, speaker: Speaker, row: Row
) -> tuple[Mapping[str, Any], ...]:
    if item.get("function_call"):
        return take_calls(item["function_call"], f"{place}function_call", row)
    if "tool_calls" not in item:
        return ()
    calls = tuple(row.take_objects(item, "tool_calls", place))
    return calls if speaker == "assistant" else ()


def _is_trained(item: Fields, at: str, speaker: Speaker, row: Row) -> bool:
    given = {key: item[key] for key in WEIGHTS if key in item}
    for key, value in given.items():
        if value not in (0, 1):
            row.refuse(f"{at}.{key}", reprlib.repr(value), _("0 or 1"))
        elif value and speaker not in ("assistant", "call"):
            seen = _("{value!r} on a turn of the {speaker}'s").format(value=value, speaker=speaker)
            row.refuse(f"{at}.{key}", seen, _("0: answers alone are trained"))
    if len({bool(value) for value in given.values()}) > 1:
        seen = _("{keys} that differ").format(keys=_(" and ").join(given))
        row.refuse(at, seen, _("one of them"))
    return all(given.values())


def _look_at_others(item: Fields, at: str, speaker: Speaker, row: Row) -> None:
    """Empty ones pass; of the filled ones those are refused without which it would not be the same
    turn, and the rest is said to be left out."""
    for key in sorted(item.keys() - USED):
        if not is_filled(item[key]):
            continue
        if key in REFUSED:
            seen = _("the key {key!r}").format(key=key)
            expected = _("nothing in {key!r}, which cannot be trained on").format(key=key)
            row.refuse(at, seen, expected)
        else:
            row.remarks.append(Remark(OF_TURNS, key))
    for key in ("tool_call_id", *CALLS):
        owner = "tool" if key == "tool_call_id" else "assistant"
        if item.get(key) and speaker != owner:
            seen = _("the key {key!r} on a turn of the {speaker}'s").format(
                key=key, speaker=speaker
            )
            expected = _("{key} of the {owner}'s alone").format(key=key, owner=owner)
            row.refuse(at, seen, expected)
