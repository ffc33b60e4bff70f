"""Which form of tool calls a template teaches, and JSON that is a call or is not."""

import json

import pytest

from service.api.chat.call_formats import HERMES, LLAMA, MISTRAL, format_of, new_call_id, read_calls
from service.api.protocol import CalledFunction

NAMES = {"dose", "找药"}


@pytest.mark.parametrize(
    ("template", "known"),
    [
        ('return within <tool_call></tool_call> tags:\n<tool_call>\n{"name"', HERMES),
        ("{{ '[TOOL_CALLS] [' }}", MISTRAL),
        ("{{ '<|python_tag|>' ~ call }}", LLAMA),
        ('{{ \'in the format {\\"name\\": function name, \\"parameters\\": dictionary\' }}', LLAMA),
        ('{{ \'in the format {"name": function name, "parameters": dictionary\' }}', LLAMA),
        ("<tool_call>\n<function=name>\n<parameter=p>", None),
        ("<tool_call>name\n<arg_key>k</arg_key>", None),
        ("[TOOL_CALLS]name[ARGS]{}", None),
        ("{{ message.content }}", None),
    ],
)
def test_the_template_says_how_calls_are_written(template: str, known: object):
    assert format_of(template) is known


def call(name: str = "dose", **arguments: object) -> CalledFunction:
    return CalledFunction(name=name, arguments=json.dumps(arguments, ensure_ascii=False))


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ('{"name": "dose", "arguments": {"herb": "百合"}}', [call(herb="百合")]),
        ('\n {"name": "找药", "parameters": {}} \n', [call("找药")]),
        ('{"name": "dose"}', [call()]),
        ('{"name": "dose", "arguments": "{\\"g\\": 10}"}', [call(g=10)]),
        ('{"type": "function", "function": {"name": "dose"}}', [call()]),
        ('[{"name": "dose"}, {"name": "找药"}]', [call(), call("找药")]),
        ('{"name": "dose"}; {"name": "找药"}', [call(), call("找药")]),
    ],
)
def test_calls_are_read(text: str, calls: list[CalledFunction]):
    assert read_calls(text, NAMES) == calls


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "Ginger.",
        '{"name": "dose", "arguments": {',
        '{"name": "nobody", "arguments": {}}',
        '{"name": ["dose"], "arguments": {}}',
        '{"name": "dose", "arguments": [1]}',
        '{"name": "dose", "arguments": "ten"}',
        '{"name": "dose"} and more',
        '[{"name": "dose"}, 3]',
        '{"name": "dose", "arguments": {"g": NaN}}',
        "[" * 100_000,
    ],
)
def test_anything_else_is_no_call(text: str):
    assert read_calls(text, NAMES) is None


def test_ids_are_as_long_as_the_template_takes_them():
    assert len(new_call_id(MISTRAL)) == 9
    assert new_call_id(MISTRAL).isalnum()
    assert new_call_id(None).startswith("call_")
    assert new_call_id(HERMES) != new_call_id(HERMES)
