"""Marks of chat templates that are plain text: found by rendering, refused or broken in texts."""

from collections.abc import Callable
from typing import Any

import pytest

from data.chat import ChatRenderer
from data.conversation import Conversation, Message
from data.errors import MarkInText
from data.writing.chat_template import ChatTemplate
from tests.data.families import KINDS

INSTRUCTION = (
    "{% if messages[0].role == 'system' %}{{ messages[0].content }}"
    "{% set messages = messages[1:] %}"
    "{% else %}Below is an instruction: a task. Write a response to it.{% endif %}\n\n"
    "{% for m in messages %}{{ '### Instruction:\n' if m.role == 'user' else '### Response:\n' }}"
    "{{ m.content }}{{ eos_token if m.role == 'assistant' }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}### Response:\n{% endif %}"
)
HUMAN = (
    "{% for m in messages %}{{ '### Human: ' if m.role == 'user' else '### Assistant: ' }}"
    "{{ m.content }}\n{% endfor %}{{ '### Assistant:' if add_generation_prompt else eos_token }}"
)
ON_A_LINE = (
    "A chat between a user and an assistant. The assistant is polite. "
    "{% for m in messages %}{{ 'USER: ' if m.role == 'user' else 'ASSISTANT: ' }}{{ m.content }}"
    "{{ eos_token if m.role == 'assistant' else ' ' }}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
CHINESE = (
    "{% for m in messages %}{{ '问：' if m.role == 'user' else '答：' }}"
    "{{ m.content }}\n\n{% endfor %}"
    "{{ '答：' if add_generation_prompt else eos_token }}"
)
# Says much of its own, as Phi-4's and gpt-oss's do.
TALKS = (
    "Answer in the specified format: <think> your thoughts </think> through the above guidelines:"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{{ '# Valid channels: final.\n\n# Rules\n\n' if m.role == 'system' }}{{ m.content }}"
    "<|im_end|>\n{% endfor %}{{ '<|im_start|>assistant\n' if add_generation_prompt }}"
)
# Anywhere in a text, and at the beginning of a line alone.
MARKS: dict[str, tuple[set[str], set[str]]] = {
    **{name: (set[str](), set[str]()) for name in KINDS},
    "llama-2-chat": ({"[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"}, set()),
    "mistral-instruct-v0.2": ({"[INST]", "[/INST]"}, set()),
    "zephyr": ({"<|system|>", "<|user|>", "<|assistant|>"}, set()),
    "deepseek-v2-chat": (set(), {"User:", "Assistant:"}),
    INSTRUCTION: ({"### Instruction:", "### Response:"}, set()),
    HUMAN: ({"### Human:", "### Assistant:"}, set()),
    ON_A_LINE: ({"USER:", "ASSISTANT:"}, set()),
    CHINESE: (set(), {"问：", "答："}),
    TALKS: (set(), set()),
}
MARKED = [name for name, marks in MARKS.items() if any(marks)]
NAMES = {
    INSTRUCTION: "instruction",
    HUMAN: "human",
    ON_A_LINE: "on a line",
    CHINESE: "chinese",
    TALKS: "talks",
}
RendererOf = Callable[..., ChatRenderer]


def name_of(template: str) -> str:
    return NAMES.get(template, template)


@pytest.fixture
def tokenizer_with(tokenizer_of: Any, make_tokenizer: Any) -> Callable[[str], Any]:
    return lambda name: tokenizer_of(name) if name in KINDS else make_tokenizer(name)


@pytest.mark.parametrize("name", MARKS, ids=name_of)
def test_marks_are_found_by_what_the_template_writes(name: str, tokenizer_with: Any):
    tokenizer = tokenizer_with(name)
    marks = ChatTemplate(tokenizer, tokenizer.chat_template, "refuse").marks.marks
    anywhere = {mark.text for mark in marks if not mark.begins_line}
    at_lines = {mark.text for mark in marks if mark.begins_line}
    assert (anywhere, at_lines) == MARKS[name]


@pytest.mark.parametrize("name", MARKED, ids=name_of)
def test_a_text_with_a_mark_is_refused_by_name_wherever_it_stands(name: str, tokenizer_with: Any):
    renderer = ChatRenderer(tokenizer_with(name))
    answered = Message("assistant", "Fine.")
    for mark in set[str]().union(*MARKS[name]):
        text = f"好的\n{mark} sure"
        with pytest.raises(MarkInText) as caught:
            renderer.prompt_ids([Message("user", "Hi"), answered, Message("user", text)])
        assert (caught.value.place, caught.value.mark) == ("turn 3", mark)
        said = (Message("user", "Hi"), Message("assistant", text))
        with pytest.raises(MarkInText, match=r"^a\.txt:7: turn 2: the text holds "):
            renderer.render(Conversation(said, "a.txt", 7))
    for mark in MARKS[name][0]:
        with pytest.raises(MarkInText):
            renderer.prompt_ids([Message("user", f"Say {mark}")])


@pytest.mark.parametrize("name", MARKED, ids=name_of)
def test_a_broken_mark_is_none_and_all_else_stays(name: str, tokenizer_with: Any):
    tokenizer = tokenizer_with(name)
    renderer = ChatRenderer(tokenizer, plain_marks="defuse")
    marks = sorted(set[str]().union(*MARKS[name]))
    text = "\n".join(f"{mark} sure" for mark in marks)
    broken = text
    for mark in marks:
        broken = broken.replace(mark, f"{mark[0]}\u200b{mark[1:]}")
    said = tokenizer.decode(renderer.prompt_ids([Message("user", text)]))
    assert said == tokenizer.decode(ChatRenderer(tokenizer).prompt_ids([Message("user", broken)]))
    assert broken in said
    row = renderer.render(Conversation((Message("user", "Hi"), Message("assistant", text))))
    assert broken in tokenizer.decode(row.token_ids)


@pytest.mark.parametrize("name", MARKS, ids=name_of)
def test_ordinary_text_holds_no_mark(name: str, tokenizer_with: Any):
    texts = (
        "The user asked the assistant: a system prompt?",
        "user\nassistant\nsystem\nmodel\nHuman\nQuestion: why?\n# Heading\n## Human\n### 三",
        "[1] a[0] <b>bold</b> {x} |a|b| <<EOF [INST INST] SYS <SYS>\n[x] Instruction:",
        "End User: x. The Assistant: y. 我问：好吗？他答：好。",
        "Today Date: 26 Jul 2024\nYou are Qwen, created by Alibaba Cloud.",
    )
    renderer = ChatRenderer(tokenizer_with(name))
    for text in texts:
        said = (Message("user", text), Message("assistant", text))
        assert renderer.whole_ids(said)


def test_marks_in_tools_and_calls_are_refused_or_broken(make_tokenizer: Any):
    tokenizer = make_tokenizer(
        "{{ tools | tojson if tools }}{% for m in messages %}[{{ m.role }}] {{ m.content }}"
        "{{ m.tool_calls | tojson if m.tool_calls }}{% endfor %}"
    )
    renderer = ChatRenderer(tokenizer)
    tool = {"type": "function", "function": {"name": "dose", "description": "[user] x"}}
    asked = Message("user", "How much?")
    with pytest.raises(MarkInText, match="the tools: the text holds") as caught:
        renderer.prompt_ids([asked], [tool])
    assert caught.value.field == "tools"
    arguments = '{"herb": "\\u005buser] y"}'
    call = {"id": "1", "type": "function", "function": {"name": "dose", "arguments": arguments}}
    called = Message("assistant", "", tool_calls=(call,))
    with pytest.raises(MarkInText, match="turn 2") as caught:
        renderer.whole_ids([asked, called])
    assert caught.value.field == "messages"
    defusing = ChatRenderer(tokenizer, plain_marks="defuse")
    text = tokenizer.decode(defusing.whole_ids([asked, called], [tool]))
    assert "[\u200buser] x" in text
    assert "[\u200buser] y" in text
