"""Answers that a client has begun: the ids that the model goes on from."""

from collections.abc import Callable
from typing import Any

import pytest

from data.chat import ChatRenderer
from data.conversation import Message
from data.errors import TemplateError
from tests.data.families import FOLDER, KINDS, TRAINABLE, as_given
from tests.data.test_templates import DIALOGUES, every_dialogue, every_kind

QUESTION = Message("user", "My chain slips.")
# As templates of reasoning models do, it leaves out what stands before a mark.
CUTS = (
    "{% for m in messages %}<|im_start|>{{ m.role + '\n' + m.content.split('|')[-1] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CALL = {"type": "function", "function": {"name": "dose", "arguments": {}}}


@pytest.fixture
def tokenizer_of(make_tokenizer: Callable[..., Any]) -> Callable[[str], Any]:
    def make(name: str) -> Any:
        template = (FOLDER / f"{name}.jinja").read_text(encoding="utf-8")
        return make_tokenizer(template, KINDS[name].special, KINDS[name].eos)

    return make


@pytest.fixture
def renderer_of(tokenizer_of: Callable[[str], Any]) -> Callable[[str], ChatRenderer]:
    return lambda name: ChatRenderer(tokenizer_of(name))


@pytest.fixture
def make_renderer(
    make_tokenizer: Callable[..., Any], templates: dict[str, str]
) -> Callable[[str], ChatRenderer]:
    return lambda template: ChatRenderer(make_tokenizer(templates["chatml"]), template)


def begun(content: str) -> tuple[Message, Message]:
    return QUESTION, Message("assistant", content)


@every_kind
@every_dialogue
@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_ids_are_the_templates_own_up_to_where_the_answer_stops(
    tokenizer_of: Callable[[str], Any], name: str, dialogue: str, share: float
):
    tokenizer, messages = tokenizer_of(name), DIALOGUES[dialogue]
    answer = messages[-1].content
    said = answer[: round(share * len(answer))]
    text = tokenizer.apply_chat_template(as_given(name, messages), tokenize=False)
    upto = text[: text.rindex(answer) + len(said)]
    ids = ChatRenderer(tokenizer).continued_ids([*messages[:-1], Message("assistant", said)])
    assert ids == tuple(tokenizer.encode(upto, add_special_tokens=False))


@every_kind
def test_a_blank_where_the_answer_stops_stays(
    renderer_of: Callable[[str], ChatRenderer], name: str
):
    renderer = renderer_of(name)
    without = renderer.continued_ids(begun("Check it,"))
    assert renderer.continued_ids(begun("Check it, ")) != without


@every_kind
def test_an_answer_of_which_nothing_is_said_begins_after_the_prompt(
    renderer_of: Callable[[str], ChatRenderer], name: str
):
    renderer = renderer_of(name)
    for nothing in ("", " \n"):
        assert renderer.continued_ids(begun(nothing)) == renderer.prompt_ids([QUESTION])


def test_a_template_that_writes_an_answer_otherwise_than_after_its_prompt_is_refused(
    renderer_of: Callable[[str], ChatRenderer], make_renderer: Callable[[str], ChatRenderer]
):
    (untrainable,) = set(KINDS) - set(TRAINABLE)
    with pytest.raises(TemplateError, match="cannot be continued"):
        renderer_of(untrainable).continued_ids(begun("Check it,"))
    cutting = make_renderer(CUTS)
    assert cutting.continued_ids(begun("Check it,"))[-1:]
    with pytest.raises(TemplateError, match="cannot be continued"):
        cutting.continued_ids(begun("I think.|Check it,"))


@pytest.mark.parametrize(
    "messages",
    [
        [Message("assistant", "Check it,")],
        [QUESTION, Message("assistant", "Let me see.", tool_calls=(CALL,))],
    ],
)
def test_what_follows_no_question_or_calls_a_tool_is_refused(
    make_renderer: Callable[[str], ChatRenderer], templates: dict[str, str], messages: list[Message]
):
    with pytest.raises(TemplateError, match="follows a question and calls no tool"):
        make_renderer(templates["chatml"]).continued_ids(messages)
