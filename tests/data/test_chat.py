"""Rendering by chat templates as models bring them, with a small real tokenizer."""

from collections.abc import Callable
from typing import Any

import pytest

from data.chat import ChatRenderer, Rendered
from data.conversation import Conversation, Message
from data.errors import TemplateError

MakeTokenizer = Callable[[str], Any]

SYSTEM = Message("system", "你是中医。")
FIRST = (Message("user", "我失眠多梦。"), Message("assistant", "宜养心安神。"))
SECOND = (Message("user", "My chain slips 🚲"), Message("assistant", "Check it, then ride."))
DIALOGUES = {
    "single": FIRST,
    "single with system": (SYSTEM, *FIRST),
    "multi": (*FIRST, *SECOND),
    "multi with system": (SYSTEM, *FIRST, *SECOND),
}
# What each template writes around an answer and counts as part of it.
AROUND = {
    "chatml": ("", "<|im_end|>"),
    "persona": ("", "<|im_end|>"),
    "llama2": (" ", " </s>"),
}
REFUSES_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}"
IGNORES_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{% set messages = messages[1:] %}{% endif %}"
)
# Alpaca's form: nothing but the end of text ends an answer, once, after the last turn.
ENDS_ONCE = (
    "{% for m in messages %}{{ '### ' + m['role'] + '\n' + m['content'] + '\n\n' }}{% endfor %}"
    "{{ '### assistant\n' if add_generation_prompt else eos_token }}"
)
ONE_TURN = "{% if messages | length > 2 %}{{ raise_exception('too long') }}{% endif %}"
# As templates of reasoning models do, this shortens every answer but the last.
REWRITES = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{{ m['content'] if loop.last or m['role'] == 'user' else '…' }}{{ '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

every_dialogue = pytest.mark.parametrize("dialogue", DIALOGUES)
every_template = pytest.mark.parametrize("kind", AROUND)


@pytest.fixture
def make_renderer(
    make_tokenizer: MakeTokenizer, templates: dict[str, str]
) -> Callable[[str], ChatRenderer]:
    return lambda kind: ChatRenderer(make_tokenizer(templates[kind]))


def as_dicts(messages: tuple[Message, ...]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def trained_spans(row: Rendered) -> list[tuple[int, int]]:
    """Begin and end of every unbroken run of trained tokens."""
    marks = [False, *row.trained, False]
    edges = [i for i in range(len(row.trained) + 1) if marks[i] != marks[i + 1]]
    return list(zip(edges[::2], edges[1::2], strict=True))


@every_template
@every_dialogue
def test_ids_are_the_templates_own_rendering_with_nothing_added(
    kind: str,
    dialogue: str,
    make_renderer: Callable[[str], ChatRenderer],
    make_tokenizer: MakeTokenizer,
    templates: dict[str, str],
):
    messages, tokenizer = DIALOGUES[dialogue], make_tokenizer(templates[kind])
    text = tokenizer.apply_chat_template(as_dicts(messages), tokenize=False)
    row = make_renderer(kind).render(Conversation(messages))
    assert list(row.token_ids) == tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(row.token_ids) == text


@every_template
@every_dialogue
def test_answers_and_their_end_are_trained_and_nothing_else(
    kind: str,
    dialogue: str,
    make_renderer: Callable[[str], ChatRenderer],
    make_tokenizer: MakeTokenizer,
    templates: dict[str, str],
):
    messages, tokenizer = DIALOGUES[dialogue], make_tokenizer(templates[kind])
    row = make_renderer(kind).render(Conversation(messages))
    before, end = AROUND[kind]
    trained = [tokenizer.decode(row.token_ids[start:stop]) for start, stop in trained_spans(row)]
    assert trained == [f"{before}{m.content}{end}" for m in messages if m.role == "assistant"]
    assert row.num_trained == sum(stop - start for start, stop in trained_spans(row))


@every_template
@every_dialogue
def test_prompt_at_training_is_the_prompt_at_serving(
    kind: str,
    dialogue: str,
    make_renderer: Callable[[str], ChatRenderer],
    make_tokenizer: MakeTokenizer,
    templates: dict[str, str],
):
    messages = DIALOGUES[dialogue]
    row = make_renderer(kind).render(Conversation(messages))
    # A server has the template from the adapter's folder, and a tokenizer that may bring another.
    serving = ChatRenderer(make_tokenizer(templates["chatml"]), None)
    if kind != "chatml":
        serving = ChatRenderer(make_tokenizer(templates[kind]), templates[kind])
    answers = [i for i, message in enumerate(messages) if message.role == "assistant"]
    for index, (start, _) in zip(answers, trained_spans(row), strict=True):
        assert row.token_ids[:start] == serving.prompt_ids(messages[:index])


def test_an_adapters_template_counts_instead_of_the_tokenizers(
    make_tokenizer: MakeTokenizer, templates: dict[str, str]
):
    own = ChatRenderer(make_tokenizer(templates["chatml"]))
    given = ChatRenderer(make_tokenizer(templates["chatml"]), templates["persona"])
    assert given.template == templates["persona"]
    assert given.sha256 != own.sha256
    assert given.prompt_ids(FIRST[:1]) != own.prompt_ids(FIRST[:1])


@pytest.mark.parametrize("start", [REFUSES_SYSTEM, IGNORES_SYSTEM], ids=["refused", "ignored"])
def test_a_system_message_refused_or_ignored_is_folded_into_the_first_user_turn(
    start: str, make_tokenizer: MakeTokenizer, templates: dict[str, str]
):
    tokenizer = make_tokenizer(templates["chatml"])
    renderer = ChatRenderer(tokenizer, start + templates["chatml"])
    folded = Message("user", f"{SYSTEM.content}\n\n{FIRST[0].content}")
    expected = (folded, FIRST[1], *SECOND)
    assert renderer.render(Conversation((SYSTEM, *FIRST, *SECOND))) == renderer.render(
        Conversation(expected)
    )
    assert renderer.prompt_ids((SYSTEM, FIRST[0])) == renderer.prompt_ids((folded,))


@pytest.mark.parametrize(
    "fault",
    [
        "{% for",
        "{{ nobody.name.first }}",
        "{{ 1 / 0 }}",
        "{{ 'a' + 1 }}",
        "{{ ''.__class__.__mro__ }}",
        "{% include 'other' %}",
        "{{ range(10 ** 12) }}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    ],
)
def test_a_template_that_fails_refuses_the_conversation(
    make_tokenizer: MakeTokenizer, templates: dict[str, str], fault: str
):
    renderer = ChatRenderer(make_tokenizer(templates["chatml"]), fault + templates["chatml"])
    with pytest.raises(TemplateError, match="refuses"):
        renderer.prompt_ids((FIRST[0],))


def test_a_system_message_is_never_folded_into_an_answer(
    make_tokenizer: MakeTokenizer, templates: dict[str, str]
):
    renderer = ChatRenderer(
        make_tokenizer(templates["chatml"]), REFUSES_SYSTEM + templates["chatml"]
    )
    with pytest.raises(TemplateError, match="refuses"):
        renderer.prompt_ids((SYSTEM, Message("assistant", "I began."), FIRST[0]))


def test_an_ignored_system_message_that_no_question_follows_is_an_error(
    make_tokenizer: MakeTokenizer, templates: dict[str, str]
):
    tokenizer = make_tokenizer(templates["chatml"])
    renderer = ChatRenderer(tokenizer, IGNORES_SYSTEM + templates["chatml"])
    with pytest.raises(TemplateError, match="leaves out a system message"):
        renderer.prompt_ids((SYSTEM, Message("assistant", "I began."), FIRST[0]))


def test_an_end_written_once_is_trained_where_it_alone_ends_the_answer(
    make_tokenizer: MakeTokenizer, templates: dict[str, str]
):
    tokenizer = make_tokenizer(templates["chatml"])
    renderer = ChatRenderer(tokenizer, ENDS_ONCE)
    row = renderer.render(Conversation(FIRST))
    ((start, end),) = trained_spans(row)
    assert tokenizer.decode(row.token_ids[start:end]) == f"{FIRST[1].content}\n\n<|im_end|>"
    with pytest.raises(TemplateError, match="turn 2 otherwise"):
        renderer.render(Conversation((*FIRST, *SECOND)))


def test_a_template_that_takes_one_turn_alone_can_be_trained(
    make_tokenizer: MakeTokenizer, templates: dict[str, str]
):
    tokenizer = make_tokenizer(templates["chatml"])
    renderer = ChatRenderer(tokenizer, ONE_TURN + templates["chatml"])
    expected = ChatRenderer(tokenizer).render(Conversation(FIRST))
    assert renderer.render(Conversation(FIRST)) == expected


@every_template
def test_answers_not_to_be_trained_are_not(
    kind: str,
    make_renderer: Callable[[str], ChatRenderer],
    make_tokenizer: MakeTokenizer,
    templates: dict[str, str],
):
    kept = Message("assistant", FIRST[1].content, trained=False)
    row = make_renderer(kind).render(Conversation((FIRST[0], kept, *SECOND)))
    ((start, end),) = trained_spans(row)
    decoded = make_tokenizer(templates[kind]).decode(row.token_ids[start:end])
    assert SECOND[1].content in decoded
    assert FIRST[1].content not in decoded


def test_a_conversation_with_nothing_trained_is_an_error(
    make_renderer: Callable[[str], ChatRenderer],
):
    untrained = Message("assistant", "Hello.", trained=False)
    with pytest.raises(TemplateError, match=r"a\.txt:7: there is no answer to train on"):
        make_renderer("chatml").render(Conversation((FIRST[0], untrained), "a.txt", 7))


def test_an_answer_before_any_question_is_an_error(make_renderer: Callable[[str], ChatRenderer]):
    with pytest.raises(TemplateError, match=r"a\.txt:7: .*begins with an answer"):
        make_renderer("chatml").render(Conversation((FIRST[1], *SECOND), "a.txt", 7))


def test_a_template_that_rewrites_earlier_turns_is_an_error(
    make_tokenizer: MakeTokenizer, templates: dict[str, str]
):
    renderer = ChatRenderer(make_tokenizer(templates["chatml"]), REWRITES)
    assert renderer.render(Conversation(FIRST)).num_trained
    with pytest.raises(TemplateError, match=r"a\.txt:7: the chat template writes turn 2 otherwise"):
        renderer.render(Conversation((*FIRST, *SECOND), "a.txt", 7))


def test_a_refused_conversation_is_named(make_renderer: Callable[[str], ChatRenderer]):
    twice = (FIRST[0], *FIRST)
    with pytest.raises(TemplateError, match=r"a\.txt:7: .*Roles must alternate"):
        make_renderer("llama2").render(Conversation(twice, "a.txt", 7))


@pytest.mark.parametrize(
    ("kind", "preamble"),
    [
        ("chatml", "<|im_start|>user\n"),
        ("persona", "<|im_start|>system\nYou are Tiny.<|im_end|>\n<|im_start|>user\n"),
        ("llama2", "<s>[INST] "),
    ],
)
def test_preamble_shows_what_the_template_brings_along(
    kind: str, preamble: str, make_renderer: Callable[[str], ChatRenderer]
):
    assert make_renderer(kind).preamble == preamble


def test_end_ids_are_the_templates_end_and_the_tokenizers(
    make_tokenizer: MakeTokenizer, templates: dict[str, str]
):
    tokenizer = make_tokenizer(templates["llama2"])  # its end of text is </s>
    end_of_text, end_of_turn = tokenizer.convert_tokens_to_ids(["</s>", "<|im_end|>"])
    assert ChatRenderer(tokenizer).end_ids == (end_of_text,)
    other = ChatRenderer(tokenizer, templates["chatml"])
    assert other.end_ids == tuple(sorted((end_of_text, end_of_turn)))


def test_a_tokenizer_without_a_template_is_an_error_that_says_what_to_do(
    make_tokenizer: MakeTokenizer, templates: dict[str, str]
):
    class Bare:
        chat_template = None

        def __getattr__(self, name: str) -> Any:
            return getattr(make_tokenizer(templates["chatml"]), name)

    bare: Any = Bare()
    with pytest.raises(TemplateError, match=r"Choose its chat .* chat_template\.jinja"):
        ChatRenderer(bare)
    assert ChatRenderer(bare, templates["llama2"]).end_ids


TOOLS = ({"type": "function", "function": {"name": "fox_weather"}}, {"name": "My"})
WRITES_TOOLS = "{% for tool in tools or [] %}{{ (tool.function or tool).name + '\n' }}{% endfor %}"


def test_tools_that_a_template_leaves_out_are_an_error_that_names_them(
    make_tokenizer: MakeTokenizer, templates: dict[str, str]
):
    tokenizer = make_tokenizer(templates["chatml"])
    conversation = Conversation((SYSTEM, *SECOND), "a.txt", 7, TOOLS)
    with pytest.raises(TemplateError, match=r"a\.txt:7: .*leaves out the tools fox_weather, My\."):
        ChatRenderer(tokenizer).render(conversation)
    with pytest.raises(TemplateError, match="leaves out the tools"):
        ChatRenderer(tokenizer).prompt_ids((SYSTEM, SECOND[0]), TOOLS)
    renderer = ChatRenderer(tokenizer, WRITES_TOOLS + templates["chatml"])
    assert renderer.render(conversation).num_trained


WRITES_CALLS = (
    "{% for m in messages %}[{{ m.role }} {{ m.name or '' }}] {{ m.content }}"
    "{% for call in m.tool_calls or [] %}"
    "{{ call.function.name }}{{ call.function.arguments | tojson }}{% endfor %}<|im_end|>"
    "{% endfor %}"
)
CALL = {"id": "1", "type": "function", "function": {"name": "dose", "arguments": '{"herb": "姜"}'}}
CALLED = (
    Message("user", "How much?"),
    Message("assistant", "", tool_calls=(CALL,)),
    Message("tool", '{"grams": "10"}', tool_call_id="1", name="dose"),
)


def text_of(renderer: ChatRenderer, tokenizer: Any, messages: tuple[Message, ...]) -> str:
    return tokenizer.decode(renderer.whole_ids(messages))


def test_arguments_of_calls_are_objects_for_the_template(
    make_tokenizer: MakeTokenizer, templates: dict[str, str]
):
    tokenizer = make_tokenizer(templates["chatml"])
    renderer = ChatRenderer(tokenizer, WRITES_CALLS)
    assert text_of(renderer, tokenizer, CALLED) == (
        '[user ] How much?<|im_end|>[assistant ] dose{"herb": "姜"}<|im_end|>'
        '[tool dose] {"grams": "10"}<|im_end|>'
    )
    unreadable = {**CALL, "function": {"name": "dose", "arguments": "{"}}
    broken = (CALLED[0], Message("assistant", "", tool_calls=(unreadable,)))
    assert 'dose"{"<|im_end|>' in text_of(renderer, tokenizer, broken)


def test_calls_and_answers_of_tools_that_a_template_leaves_out_are_an_error(
    make_tokenizer: MakeTokenizer, templates: dict[str, str]
):
    tokenizer = make_tokenizer(templates["chatml"])
    with pytest.raises(TemplateError, match="leaves out the tool calls"):
        ChatRenderer(tokenizer).prompt_ids(CALLED)
    without_answers = WRITES_CALLS.replace("{{ m.content }}", "")
    with pytest.raises(TemplateError, match="leaves out a tool's answer"):
        ChatRenderer(tokenizer, without_answers).prompt_ids(CALLED)
    as_json = WRITES_CALLS.replace("{{ m.content }}", "{{ m.content | tojson }}")
    assert ChatRenderer(tokenizer, as_json).prompt_ids(CALLED)


def test_template_that_refuses_turns_without_their_calls_has_seen_the_calls(
    make_tokenizer: MakeTokenizer, templates: dict[str, str]
):
    strict = (
        "{% for m in messages %}{% if m.role == 'assistant' and not m.tool_calls %}"
        "{{ raise_exception('No calls!') }}{% endif %}{% endfor %}" + WRITES_CALLS
    )
    assert ChatRenderer(make_tokenizer(templates["chatml"]), strict).prompt_ids(CALLED)
