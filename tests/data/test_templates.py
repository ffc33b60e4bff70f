"""Rendering and loss masks under the chat templates that published models bring.

Each model's special tokens are those of its own tokenizer; the text between them is split by a
small byte-level BPE.
"""

from collections.abc import Callable
from typing import Any

import pytest

from data.chat import ChatRenderer, Rendered
from data.conversation import Conversation, Message
from data.errors import TemplateError
from tests.data.families import KINDS, TRAINABLE, as_given

MakeRenderer = Callable[[str], ChatRenderer]

SYSTEM = Message("system", "你是一位老中医 who is brief.")
FIRST = (
    Message("user", "我最近失眠多梦，怎么办？"),
    Message("assistant", "宜养心安神。\n\n少饮浓茶。"),
)
SECOND = (Message("user", "My chain slips 🚲"), Message("assistant", "Check it, then ride."))
THIRD = (Message("user", "谢谢 & <bye>"), Message("assistant", "Right then: 保重！"))
DIALOGUES = {
    "single": FIRST,
    "single with system": (SYSTEM, *FIRST),
    "multi": (*FIRST, *SECOND, *THIRD),
    "multi with system": (SYSTEM, *FIRST, *SECOND, *THIRD),
}


every_kind = pytest.mark.parametrize("name", TRAINABLE)
every_dialogue = pytest.mark.parametrize("dialogue", DIALOGUES)


def trained_spans(row: Rendered) -> list[tuple[int, int]]:
    """Begin and end of every unbroken run of trained tokens."""
    starts = [i for i, on in enumerate(row.trained) if on and not (i and row.trained[i - 1])]
    ends = [i + 1 for i, on in enumerate(row.trained) if on and not any(row.trained[i + 1 : i + 2])]
    return list(zip(starts, ends, strict=True))


def answers_of(messages: tuple[Message, ...]) -> list[int]:
    return [i for i, message in enumerate(messages) if message.role == "assistant"]


@every_kind
@every_dialogue
def test_ids_are_the_templates_own_rendering_with_nothing_added(
    name: str, dialogue: str, renderer_of: MakeRenderer, tokenizer_of: Callable[[str], Any]
):
    messages, tokenizer = DIALOGUES[dialogue], tokenizer_of(name)
    text = tokenizer.apply_chat_template(as_given(name, messages), tokenize=False)
    row = renderer_of(name).render(Conversation(messages))
    assert list(row.token_ids) == tokenizer.encode(text, add_special_tokens=False)


@every_kind
@every_dialogue
def test_answers_and_their_end_are_trained_and_nothing_else(
    name: str, dialogue: str, renderer_of: MakeRenderer, tokenizer_of: Callable[[str], Any]
):
    messages, kind, tokenizer = DIALOGUES[dialogue], KINDS[name], tokenizer_of(name)
    row = renderer_of(name).render(Conversation(messages))
    trained = [tokenizer.decode(row.token_ids[start:end]) for start, end in trained_spans(row)]
    answers = [messages[i].content for i in answers_of(messages)]
    assert trained == [f"{kind.before}{answer}{kind.end}" for answer in answers]
    rest = tokenizer.decode([i for i, on in zip(row.token_ids, row.trained, strict=True) if not on])
    assert not [answer for answer in answers if answer in rest]
    assert all(message.content in rest for message in messages if message.role != "assistant")


@every_kind
@every_dialogue
def test_the_prompt_before_each_answer_is_the_prompt_at_serving(
    name: str, dialogue: str, renderer_of: MakeRenderer, tokenizer_of: Callable[[str], Any]
):
    messages, tokenizer = DIALOGUES[dialogue], tokenizer_of(name)
    row = renderer_of(name).render(Conversation(messages))
    serving = ChatRenderer(tokenizer, tokenizer.chat_template)  # as an adapter's folder gives it
    for index, (start, _) in zip(answers_of(messages), trained_spans(row), strict=True):
        assert row.token_ids[:start] == serving.prompt_ids(messages[:index])


@every_kind
def test_a_system_message_is_in_every_prompt_once_and_before_the_first_question(
    name: str, renderer_of: MakeRenderer, tokenizer_of: Callable[[str], Any]
):
    messages = DIALOGUES["multi with system"]
    for index in answers_of(messages):
        text = tokenizer_of(name).decode(renderer_of(name).prompt_ids(messages[:index]))
        assert text.count(SYSTEM.content) == 1
        assert text.index(SYSTEM.content) < text.index(FIRST[0].content)


@every_kind
@every_dialogue
def test_the_bos_stands_where_the_template_writes_it_and_never_twice(
    name: str, dialogue: str, renderer_of: MakeRenderer, tokenizer_of: Callable[[str], Any]
):
    messages, kind = DIALOGUES[dialogue], KINDS[name]
    ids = renderer_of(name).render(Conversation(messages)).token_ids
    bos = tokenizer_of(name).bos_token_id
    places = [i for i, token_id in enumerate(ids) if token_id == bos]
    expected = {"never": 0, "once": 1, "every question": len(answers_of(messages))}
    assert len(places) == expected[kind.bos]
    assert places[:1] == [0] * bool(places)
    assert not {i + 1 for i in places} & set(places)


@every_kind
def test_answers_not_to_be_trained_are_not(name: str, renderer_of: MakeRenderer):
    kept = Message("assistant", SECOND[1].content, trained=False)
    row = renderer_of(name).render(Conversation((SYSTEM, *FIRST, SECOND[0], kept, *THIRD)))
    whole = renderer_of(name).render(Conversation(DIALOGUES["multi with system"]))
    first, _, third = trained_spans(whole)
    assert row.token_ids == whole.token_ids
    assert trained_spans(row) == [first, third]


@every_kind
def test_white_space_around_what_is_said_is_kept_or_trimmed_in_training_and_serving_alike(
    name: str, renderer_of: MakeRenderer, tokenizer_of: Callable[[str], Any]
):
    kind, padded = KINDS[name], Message("assistant", "宜养心 \n")
    messages = (Message("user", " 失眠？ \n"), padded, *SECOND)
    row = renderer_of(name).render(Conversation(messages))
    start, end = trained_spans(row)[0]
    said = padded.content.strip() if kind.trims else padded.content
    assert tokenizer_of(name).decode(row.token_ids[start:end]) == f"{kind.before}{said}{kind.end}"
    assert row.token_ids[:start] == renderer_of(name).prompt_ids(messages[:1])


@pytest.mark.parametrize("name", KINDS)
def test_generation_stops_at_the_templates_end_of_an_answer_and_at_the_end_of_text(
    name: str, renderer_of: MakeRenderer, tokenizer_of: Callable[[str], Any]
):
    ends = tokenizer_of(name).convert_tokens_to_ids([KINDS[name].end.strip(), KINDS[name].eos])
    assert renderer_of(name).end_ids == tuple(sorted(set(ends)))


def test_a_template_that_prompts_with_thoughts_its_answers_lack_is_refused(
    renderer_of: MakeRenderer,
):
    renderer = renderer_of("deepseek-r1-distill")
    with pytest.raises(TemplateError, match=r"turn 2 otherwise .* Put another chat_template"):
        renderer.render(Conversation(FIRST))
    with pytest.raises(TemplateError, match=r"turn 2 otherwise .* Split the conversation"):
        renderer.render(Conversation((*FIRST, *SECOND)))
    assert renderer.prompt_ids((SYSTEM, FIRST[0]))


@pytest.mark.parametrize("name", ["phi-3-instruct-first", "deepseek-v2.5"])
def test_a_system_message_that_would_be_lost_is_an_error(name: str, renderer_of: MakeRenderer):
    late = Message("system", "Answer in English.")
    messages = (SYSTEM, *FIRST, late, *SECOND)
    with pytest.raises(TemplateError, match="leaves out a system message"):
        renderer_of(name).prompt_ids(messages[:-1])
    with pytest.raises(TemplateError, match=r"a\.txt:7: .* leaves out a system message"):
        renderer_of(name).render(Conversation(messages, "a.txt", 7))
