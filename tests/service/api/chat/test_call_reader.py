"""Text and tool calls told apart, however an answer is cut into pieces."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.chat.call_formats import HERMES, LLAMA, MISTRAL, CallFormat
from service.api.chat.call_reader import CallReader, ForcedReader, Part, Reader
from service.api.protocol import ToolCall

NAMES = frozenset({"dose", "找药"})
DOSE = '{"name": "dose", "arguments": {"herb": "百合"}}'
FIND = '{"name": "找药", "arguments": {}}'
OTHER = '{"name": "nobody", "arguments": {}}'


def told(parts: list[Part]) -> list[str]:
    """Neighbouring texts in one, calls as name and arguments."""
    shown: list[str] = []
    was_text = False
    for part in parts:
        if isinstance(part, ToolCall):
            shown.append(f"{part.function.name}({part.function.arguments})")
        elif was_text:
            shown[-1] += part
        else:
            shown.append(part)
        was_text = isinstance(part, str)
    return shown


def read(reader: Reader, *pieces: str) -> list[str]:
    parts = [part for piece in pieces for part in reader.push(piece)]
    return told(parts + reader.finish())


def reader(known: CallFormat, *, several: bool = True) -> CallReader:
    return CallReader(known, NAMES, several=several)


ANSWERS = [
    (HERMES, "Just text.", ["Just text."]),
    (HERMES, "", []),
    (HERMES, "  \n", ["  \n"]),
    (HERMES, "a < b <tool and <tool_box>", ["a < b <tool and <tool_box>"]),
    (HERMES, f"<tool_call>\n{DOSE}\n</tool_call>", ['dose({"herb": "百合"})']),
    (
        HERMES,
        f"Let me see.\n<tool_call>{DOSE}</tool_call>",
        ["Let me see.", 'dose({"herb": "百合"})'],
    ),
    (
        HERMES,
        f"<tool_call>{DOSE}</tool_call>\n<tool_call>{FIND}</tool_call>\n",
        ['dose({"herb": "百合"})', "找药({})"],
    ),
    (HERMES, f"<tool_call>{FIND}</tool_call>\nDone.", ["找药({})", "\nDone."]),
    (HERMES, f"<tool_call>{FIND}", ["找药({})"]),
    (HERMES, "Hm <tool_call>{broken</tool_call> ok", ["Hm <tool_call>{broken</tool_call> ok"]),
    (HERMES, f"<tool_call>{OTHER}</tool_call>", [f"<tool_call>{OTHER}</tool_call>"]),
    (HERMES, DOSE, [DOSE]),
    (MISTRAL, f"[TOOL_CALLS] [{DOSE}, {FIND}]", ['dose({"herb": "百合"})', "找药({})"]),
    (MISTRAL, f" [{DOSE}]", ['dose({"herb": "百合"})']),
    (MISTRAL, "[1] is a note", ["[1] is a note"]),
    (MISTRAL, '[{"name": "dose"', ['[{"name": "dose"']),
    (LLAMA, DOSE.replace("arguments", "parameters"), ['dose({"herb": "百合"})']),
    (LLAMA, f"<|python_tag|>{FIND}; {FIND}", ["找药({})", "找药({})"]),
    (LLAMA, '{"answer": 5}', ['{"answer": 5}']),
    (LLAMA, '{"name": "no tool"}', ['{"name": "no tool"}']),
    (LLAMA, f"It is {DOSE}", [f"It is {DOSE}"]),
]


@pytest.mark.parametrize(("known", "answer", "expected"), ANSWERS)
def test_answer_is_text_and_calls(known: CallFormat, answer: str, expected: list[str]):
    assert read(reader(known), answer) == expected


@given(st.sampled_from(ANSWERS), st.data())
def test_pieces_change_nothing(case: tuple[CallFormat, str, list[str]], data: st.DataObject):
    known, answer, expected = case
    cuts = sorted(data.draw(st.lists(st.integers(0, len(answer)), max_size=20)))
    bounds = [0, *cuts, len(answer)]
    pieces = [answer[a:b] for a, b in pairwise(bounds)]
    assert read(reader(known), *pieces) == expected


def test_text_is_told_as_it_comes_and_a_call_as_soon_as_it_is_whole():
    one = reader(HERMES)
    assert one.push("Let me") == ["Let me"]
    assert one.push(" see. <tool") == [" see."]
    assert one.push(f"_call>{FIND}</tool_") == []
    assert told(one.push("call>")) == ["找药({})"]


def test_only_the_first_call_counts_where_several_are_not_wanted():
    twice = f"<tool_call>{DOSE}</tool_call><tool_call>{FIND}</tool_call>"
    assert read(reader(HERMES, several=False), twice) == ['dose({"herb": "百合"})']
    assert read(reader(MISTRAL, several=False), f"[TOOL_CALLS][{FIND}, {DOSE}]") == ["找药({})"]


@pytest.mark.parametrize("text", [f"[{DOSE}, {FIND}]", f"{DOSE}\n{FIND}"])
def test_forced_calls_are_told_at_the_end(text: str):
    forced = ForcedReader(None, NAMES, None)
    assert forced.push(text[:20]) == []
    assert read(forced, text[20:]) == ['dose({"herb": "百合"})', "找药({})"]


def test_forced_arguments_are_those_of_the_named_function_as_they_were_written():
    text = json.dumps({"herb": "百合"}, indent=1, ensure_ascii=False)
    assert read(ForcedReader(None, NAMES, "dose"), text) == [f"dose({text})"]


@pytest.mark.parametrize("name", [None, "dose"])
@pytest.mark.parametrize("text", ['[{"name": "dose", "argu', '{"her', "[1]", ""])
def test_what_is_cut_short_stays_text(name: str | None, text: str):
    assert read(ForcedReader(None, NAMES, name), text) == ([text] if text else [])
