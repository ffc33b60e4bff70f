"""Schemas that only tool calls satisfy, judged by the grammar that enforces them."""

import json
from typing import Any

import numpy as np
import pytest

from service.api.chat.forced_calls import calls_schema
from service.api.chat.tool_request import Tool, ToolChoice
from serving.requests.grammar import Grammars

REQUIRED = ToolChoice(type="required")
NESTED = {
    "type": "object",
    "properties": {"herbs": {"type": "array", "items": {"$ref": "#/$defs/Herb"}}},
    "required": ["herbs"],
    "additionalProperties": False,
    "$defs": {"Herb": {"enum": ["百合", "姜"]}},
}


def tool(name: str, parameters: dict[str, Any] | None = None) -> Tool:
    return Tool.model_validate(
        {"type": "function", "function": {"name": name, "parameters": parameters}}
    )


TOOLS = [tool("dose", NESTED), tool("now")]


@pytest.fixture
def accepts(tokenizer: Any) -> Any:
    """Whether the grammar of a schema takes a text from beginning to end."""
    grammars = Grammars(tokenizer, len(tokenizer))

    def check(schema: str, text: str) -> bool:
        matcher = grammars.matcher(schema, (tokenizer.eos_token_id,))
        logits = np.zeros(len(tokenizer), np.float32)
        for token_id in [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]:
            if matcher.mask(logits)[token_id] != 0:
                return False
            if token_id != tokenizer.eos_token_id:
                matcher.accept(token_id)
        return True

    return check


@pytest.mark.parametrize(
    ("call", "is_accepted"),
    [
        ('{"name": "dose", "arguments": {"herbs": ["百合", "姜"]}}', True),
        ('{"name": "now", "arguments": {}}', True),
        ('{"name": "now", "arguments": {"herbs": []}}', False),
        ('{"name": "dose", "arguments": {"herbs": ["other"]}}', False),
        ('{"name": "nobody", "arguments": {}}', False),
        ('{"name": "now"}', False),
        ("Ginger.", False),
    ],
)
def test_calls_of_the_tools_are_accepted_and_nothing_else(
    accepts: Any, call: str, is_accepted: bool
):
    one, several = (calls_schema(TOOLS, REQUIRED, several) for several in (False, True))
    assert accepts(one, call) is is_accepted
    assert accepts(several, f"[{call}]") is is_accepted
    assert accepts(several, f'[{call}, {{"name": "now", "arguments": {{}}}}]') is is_accepted
    assert not accepts(several, call)
    assert not accepts(several, "[]")


def test_a_named_function_is_asked_for_its_arguments_alone(accepts: Any):
    choice = ToolChoice.model_validate({"type": "function", "function": {"name": "dose"}})
    schema = calls_schema(TOOLS, choice, True)
    assert json.loads(schema) == NESTED
    assert accepts(schema, '{"herbs": []}')


def test_parameters_without_a_type_are_an_object(accepts: Any):
    schema = calls_schema([tool("f", {"properties": {}})], REQUIRED, False)
    assert not accepts(schema, '{"name": "f", "arguments": [1]}')
    assert accepts(schema, '{"name": "f", "arguments": {"a": 1}}')
